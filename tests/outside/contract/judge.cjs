// Judges the contract with the tools of its formats. Usage: judge.cjs MODULES asyncapi FILE, or judge.cjs MODULES events FOLDER,
// which reads one event on each line of standard input. Says what is wrong, one fault on each line, and exits with 1.
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [modules, what, target] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(modules), 'package.json'));

// Warnings count; what the parser only suggests does not.
const WARNING = 1;

async function asyncapi() {
  const { Parser } = load('@asyncapi/parser');
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(target, 'utf8'));
  const faults = diagnostics.filter((found) => found.severity <= WARNING);
  const said = faults.map((found) => `${found.path.join('.')}: ${found.message} (${found.code})`);
  return document ? said : [...said, 'it is no AsyncAPI document'];
}

function events() {
  const { CloudEvent } = load('cloudevents');
  const ajv = new (load('ajv/dist/2020'))({ strict: false, allErrors: true, validateFormats: true });
  load('ajv-formats')(ajv);
  for (const file of fs.readdirSync(target).filter((file) => file === 'event.json' || file.startsWith('event.'))) {
    ajv.addSchema(JSON.parse(fs.readFileSync(path.join(target, file), 'utf8')));
  }
  const faults = [];
  const check = (event, schema, value) => {
    const validate = ajv.getSchema(schema);
    if (!validate) {
      faults.push(`${event.id}: there is no schema ${schema}`);
    } else if (!validate(value)) {
      faults.push(`${event.id}: ${schema}: ${ajv.errorsText(validate.errors)}`);
    }
  };
  for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const event = JSON.parse(line);
    try {
      const read = new CloudEvent(event, true);
      if (read.sequence !== event.sequence || read.dataschema !== event.dataschema) {
        faults.push(`${event.id}: the SDK reads other attributes`);
      }
    } catch (error) {
      faults.push(`${event.id}: ${error.message}`);
    }
    check(event, 'urn:crossgrant:schema:event:v1', event);
    check(event, event.dataschema, event.data);
  }
  return faults;
}

Promise.resolve({ asyncapi, events }[what]()).then((faults) => {
  faults.forEach((fault) => console.log(fault));
  process.exit(faults.length ? 1 : 0);
});
