"""mandoc reads every page of the manual without an error, and none is wider than a terminal."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from program import BINARY

COLUMNS = 80
# Overstriking, as terminals show bold and underlined.
STRUCK = re.compile(".\x08")
# A page has no date: it belongs to the version that its foot names.
UNDATED = "missing date"


class Manual(unittest.TestCase):
    """Reads the pages that `crossgrant man` writes."""

    def test_it_is_read_without_an_error_and_fits(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([BINARY, "man", folder], check=True, capture_output=True)
            pages = sorted(pathlib.Path(folder).glob("*.1"))
            self.assertGreater(len(pages), 40)
            for page in pages:
                told = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
                wrong = [line for line in told.stdout.splitlines() if UNDATED not in line and "paragraph macro: br" not in line]
                self.assertEqual(wrong, [], page.name)
                shown = subprocess.run(["mandoc", "-Tutf8", f"-Owidth={COLUMNS}", page], capture_output=True, text=True, check=True)
                for line in STRUCK.sub("", shown.stdout).splitlines():
                    # What is to be copied is not broken.
                    if not line.lstrip().startswith("crossgrant "):
                        self.assertLessEqual(len(line), COLUMNS, f"{page.name}: {line}")


if __name__ == "__main__":
    unittest.main()
