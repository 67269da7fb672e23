//! Batching: questions with the same key that come while one is being asked wait, and the next caller asks for all of
//! them at once. A lone question is asked at once.
//!
//! An answer always belongs to a call that began after its question came, so it is never older than the caller expects.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

/// Questions `Q` with answers `A`, batched by a key `K`.
pub struct Batches<K, Q, A> {
    batches: Mutex<HashMap<K, Arc<Batch<Q, A>>>>,
}

/// The callers of one key.
struct Batch<Q, A> {
    /// Held by the caller that asks for all.
    asking: AsyncMutex<()>,
    waiting: Mutex<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    /// Callers that have come, ever: the number of the latest.
    came: u64,
    callers: Vec<Caller<Q, A>>,
}

struct Caller<Q, A> {
    number: u64,
    question: Q,
    answer: oneshot::Sender<A>,
}

impl<K, Q, A> Default for Batches<K, Q, A> {
    fn default() -> Self {
        Self { batches: Mutex::default() }
    }
}

impl<K: Hash + Eq, Q: Clone, A> Batches<K, Q, A> {
    /// Returns the answer to `question`. If it falls to this caller to ask, it first waits for `pause`, during which others
    /// may come, and then calls `ask_all` with its own question first and those of the others after it. `ask_all` returns
    /// the own answer and, in the same order, those of the others; `None` leaves a caller to ask for itself. If the caller
    /// that asks is dropped, the next one asks.
    pub async fn ask<F>(
        &self,
        key: K,
        question: Q,
        pause: impl Future<Output = ()>,
        ask_all: impl FnOnce(Vec<Q>) -> F,
    ) -> A
    where
        K: Clone,
        F: Future<Output = (A, Vec<Option<A>>)>,
    {
        let mut ticket = Ticket::take(self, key, question);
        let batch = Arc::clone(&ticket.batch);
        let asking = tokio::select! {
            biased;
            Ok(answer) = &mut ticket.answer => return answer,
            asking = batch.asking.lock() => asking,
        };
        if let Ok(answer) = ticket.answer.try_recv() {
            return answer;
        }
        pause.await;
        let (others, questions) = batch.questions(ticket.number);
        let (own, answers) = ask_all(questions).await;
        batch.answer(&others, answers);
        drop(asking);
        own
    }
}

impl<Q: Clone, A> Batch<Q, A> {
    /// The numbers of the other callers, and all questions, with that of caller `own` first.
    fn questions(&self, own: u64) -> (Vec<u64>, Vec<Q>) {
        let waiting = locked(&self.waiting);
        let (mut others, mut questions) = (vec![], vec![]);
        for caller in &waiting.callers {
            if caller.number == own {
                questions.insert(0, caller.question.clone());
            } else {
                others.push(caller.number);
                questions.push(caller.question.clone());
            }
        }
        (others, questions)
    }

    fn answer(&self, numbers: &[u64], answers: Vec<Option<A>>) {
        let mut answers: HashMap<u64, A> =
            numbers.iter().zip(answers).filter_map(|(number, answer)| Some((*number, answer?))).collect();
        let mut waiting = locked(&self.waiting);
        let (answered, left): (Vec<_>, Vec<_>) =
            waiting.callers.drain(..).partition(|caller| answers.contains_key(&caller.number));
        waiting.callers = left;
        for caller in answered {
            if let Some(answer) = answers.remove(&caller.number) {
                // Fails only if the caller was dropped.
                drop(caller.answer.send(answer));
            }
        }
    }
}

/// A place among the callers. Dropping it leaves the batch, and the last one to leave removes the batch.
struct Ticket<'a, K: Hash + Eq, Q, A> {
    all: &'a Batches<K, Q, A>,
    key: K,
    batch: Arc<Batch<Q, A>>,
    number: u64,
    answer: oneshot::Receiver<A>,
}

impl<'a, K: Hash + Eq + Clone, Q, A> Ticket<'a, K, Q, A> {
    fn take(all: &'a Batches<K, Q, A>, key: K, question: Q) -> Self {
        let (sender, answer) = oneshot::channel();
        let mut batches = locked(&all.batches);
        let new = || Batch { asking: AsyncMutex::new(()), waiting: Mutex::new(Waiting { came: 0, callers: vec![] }) };
        let batch = Arc::clone(batches.entry(key.clone()).or_insert_with(|| Arc::new(new())));
        let mut waiting = locked(&batch.waiting);
        waiting.came += 1;
        let number = waiting.came;
        waiting.callers.push(Caller { number, question, answer: sender });
        drop((waiting, batches));
        Self { all, key, batch, number, answer }
    }
}

impl<K: Hash + Eq, Q, A> Drop for Ticket<'_, K, Q, A> {
    fn drop(&mut self) {
        let mut batches = locked(&self.all.batches);
        let mut waiting = locked(&self.batch.waiting);
        waiting.callers.retain(|caller| caller.number != self.number);
        // Callers that were answered leave late: by then another batch may have this key.
        let current = batches.get(&self.key).is_some_and(|batch| Arc::ptr_eq(batch, &self.batch));
        if waiting.callers.is_empty() && current {
            batches.remove(&self.key);
        }
    }
}

/// Locks what every look holds for moments only.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    type Doubles = Batches<&'static str, u32, u32>;

    async fn doubled(asked: Vec<u32>) -> (u32, Vec<Option<u32>>) {
        (asked[0] * 2, asked[1..].iter().map(|n| Some(n * 2)).collect())
    }

    #[tokio::test]
    async fn who_comes_while_one_asks_is_asked_for_at_once_with_the_others() {
        let (all, calls, open) = (Doubles::default(), AtomicUsize::new(0), Semaphore::new(0));
        let ask = |key, n| {
            let (calls, open) = (&calls, &open);
            all.ask(key, n, ready(()), async move |asked: Vec<u32>| {
                calls.fetch_add(1, SeqCst);
                let _open = open.acquire().await;
                doubled(asked).await
            })
        };
        let asking = join_all((0..100).map(|n| ask("a", n)).chain([ask("b", 7)]));
        let opening = async {
            tokio::task::yield_now().await;
            assert_eq!(calls.load(SeqCst), 2, "one of each key");
            open.add_permits(1);
        };
        let (answers, ()) = tokio::join!(asking, opening);
        assert_eq!(answers, (0..100).map(|n| n * 2).chain([14]).collect::<Vec<u32>>());
        assert_eq!(calls.load(SeqCst), 3, "the first, all the others, and the other key");
        assert!(locked(&all.batches).is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn one_who_is_dropped_while_asking_leaves_it_to_the_next() {
        let all = Doubles::default();
        let mut first = Box::pin(all.ask("a", 1, ready(()), async |_| std::future::pending().await));
        let mut second = Box::pin(all.ask("a", 2, ready(()), doubled));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(second.await, 4);
        assert!(locked(&all.batches).is_empty());
    }

    #[tokio::test]
    async fn one_who_leaves_late_takes_nothing_away_from_those_who_came_meanwhile() {
        let all = Doubles::default();
        let open = Semaphore::new(0);
        let pause = async { drop(open.acquire().await) };
        let mut first = Box::pin(all.ask("a", 1, pause, doubled));
        assert!((&mut first).now_or_never().is_none());
        let mut told = Box::pin(all.ask("a", 2, ready(()), async |_| unreachable!("the first asks for both")));
        assert!((&mut told).now_or_never().is_none());
        open.add_permits(1);
        assert_eq!(first.await, 2);
        let mut asking = Box::pin(all.ask("a", 3, ready(()), async |_| std::future::pending().await));
        assert!((&mut asking).now_or_never().is_none());
        assert_eq!(told.await, 4);
        assert_eq!(locked(&all.batches).len(), 1, "the batch of the one that still asks");
    }

    #[tokio::test]
    async fn who_is_told_nothing_asks_for_itself() {
        let (all, open) = (Doubles::default(), Semaphore::new(0));
        let first = all.ask("a", 1, ready(()), async |asked| {
            let _open = open.acquire().await;
            doubled(asked).await
        });
        let second = all.ask("a", 2, ready(()), async |asked| {
            assert_eq!(asked, [2, 3]);
            (0, vec![None])
        });
        let third = all.ask("a", 3, ready(()), doubled);
        let opening = async { open.add_permits(1) };
        assert_eq!(tokio::join!(first, second, third, opening), (2, 0, 6, ()));
    }
}
