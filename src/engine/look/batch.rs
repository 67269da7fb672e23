//! Questions that one answer can serve, asked together: while one is being asked, whoever comes with another of the same
//! sort waits, and the next time all that wait are asked at once. Alone, nobody waits for another.
//!
//! An answer is always that to a question put after it was asked for, so it is never older than the caller thinks.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Mutex as Turn, oneshot};

/// Questions of several sorts `K`, each with those that wait.
pub struct Together<K, Q, A> {
    lanes: Mutex<HashMap<K, Arc<Lane<Q, A>>>>,
}

/// Those who ask for the same sort of thing.
struct Lane<Q, A> {
    /// Held by the one who asks for all.
    turn: Turn<()>,
    waiting: Mutex<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    came: u64,
    asked: Vec<Asked<Q, A>>,
}

struct Asked<Q, A> {
    ticket: u64,
    question: Q,
    tell: oneshot::Sender<A>,
}

impl<K, Q, A> Default for Together<K, Q, A> {
    fn default() -> Self {
        Self { lanes: Mutex::default() }
    }
}

impl<K: Hash + Eq, Q: Clone, A> Together<K, Q, A> {
    /// The answer to `question`. If it falls to this caller to ask, it waits for `pause`, during which others may come, and
    /// `ask_all` is called with the own question first, and all others that wait; it returns the own answer, and in the
    /// same order those of the others, where `None` leaves the other to ask for itself. A caller that is dropped while it
    /// asks leaves the others to do so.
    pub async fn ask<F>(
        &self,
        sort: K,
        question: Q,
        pause: impl Future<Output = ()>,
        ask_all: impl FnOnce(Vec<Q>) -> F,
    ) -> A
    where
        K: Clone,
        F: Future<Output = (A, Vec<Option<A>>)>,
    {
        let mut place = Place::take(self, sort, question);
        let lane = Arc::clone(&place.lane);
        let turn = tokio::select! {
            biased;
            Ok(answer) = &mut place.told => return answer,
            turn = lane.turn.lock() => turn,
        };
        if let Ok(answer) = place.told.try_recv() {
            return answer;
        }
        pause.await;
        let (tickets, questions) = lane.waiting(place.ticket);
        let (own, others) = ask_all(questions).await;
        lane.tell(&tickets, others);
        drop(turn);
        own
    }
}

impl<Q: Clone, A> Lane<Q, A> {
    /// Everybody who waits, beginning with this one: the tickets of the others, and all questions.
    fn waiting(&self, own: u64) -> (Vec<u64>, Vec<Q>) {
        let waiting = locked(&self.waiting);
        let (mut tickets, mut questions) = (vec![], vec![]);
        for asked in &waiting.asked {
            if asked.ticket == own {
                questions.insert(0, asked.question.clone());
            } else {
                tickets.push(asked.ticket);
                questions.push(asked.question.clone());
            }
        }
        (tickets, questions)
    }

    fn tell(&self, tickets: &[u64], answers: Vec<Option<A>>) {
        let mut answers: HashMap<u64, A> =
            tickets.iter().zip(answers).filter_map(|(ticket, answer)| Some((*ticket, answer?))).collect();
        let mut waiting = locked(&self.waiting);
        let (told, asked) = waiting.asked.drain(..).partition(|asked| answers.contains_key(&asked.ticket));
        waiting.asked = asked;
        let told: Vec<Asked<Q, A>> = told;
        for Asked { ticket, tell, .. } in told {
            if let Some(answer) = answers.remove(&ticket) {
                // Whoever stopped waiting needs no answer.
                drop(tell.send(answer));
            }
        }
    }
}

/// Waiting among the others; gone when dropped, and with the last one the lane.
struct Place<'a, K: Hash + Eq, Q, A> {
    all: &'a Together<K, Q, A>,
    sort: K,
    lane: Arc<Lane<Q, A>>,
    ticket: u64,
    told: oneshot::Receiver<A>,
}

impl<'a, K: Hash + Eq + Clone, Q, A> Place<'a, K, Q, A> {
    fn take(all: &'a Together<K, Q, A>, sort: K, question: Q) -> Self {
        let (tell, told) = oneshot::channel();
        let mut lanes = locked(&all.lanes);
        let new = || Lane { turn: Turn::new(()), waiting: Mutex::new(Waiting { came: 0, asked: vec![] }) };
        let lane = Arc::clone(lanes.entry(sort.clone()).or_insert_with(|| Arc::new(new())));
        let mut waiting = locked(&lane.waiting);
        waiting.came += 1;
        let ticket = waiting.came;
        waiting.asked.push(Asked { ticket, question, tell });
        drop((waiting, lanes));
        Self { all, sort, lane, ticket, told }
    }
}

impl<K: Hash + Eq, Q, A> Drop for Place<'_, K, Q, A> {
    fn drop(&mut self) {
        let mut lanes = locked(&self.all.lanes);
        let mut waiting = locked(&self.lane.waiting);
        waiting.asked.retain(|asked| asked.ticket != self.ticket);
        // Those who were told leave late: by then another lane may be in its place.
        let in_place = lanes.get(&self.sort).is_some_and(|lane| Arc::ptr_eq(lane, &self.lane));
        if waiting.asked.is_empty() && in_place {
            lanes.remove(&self.sort);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

    type Doubles = Together<&'static str, u32, u32>;

    async fn doubled(asked: Vec<u32>) -> (u32, Vec<Option<u32>>) {
        (asked[0] * 2, asked[1..].iter().map(|n| Some(n * 2)).collect())
    }

    #[tokio::test]
    async fn who_comes_while_one_asks_is_asked_for_at_once_with_the_others() {
        let (all, calls, open) = (Doubles::default(), AtomicUsize::new(0), Semaphore::new(0));
        let ask = |sort, n| {
            let (calls, open) = (&calls, &open);
            all.ask(sort, n, ready(()), async move |asked: Vec<u32>| {
                calls.fetch_add(1, SeqCst);
                let _turn = open.acquire().await;
                doubled(asked).await
            })
        };
        let asking = join_all((0..100).map(|n| ask("a", n)).chain([ask("b", 7)]));
        let opening = async {
            tokio::task::yield_now().await;
            assert_eq!(calls.load(SeqCst), 2, "one of each sort");
            open.add_permits(1);
        };
        let (answers, ()) = tokio::join!(asking, opening);
        assert_eq!(answers, (0..100).map(|n| n * 2).chain([14]).collect::<Vec<u32>>());
        assert_eq!(calls.load(SeqCst), 3, "the first, all the others, and the other sort");
        assert!(locked(&all.lanes).is_empty(), "nothing is kept");
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
        assert!(locked(&all.lanes).is_empty());
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
        assert_eq!(locked(&all.lanes).len(), 1, "the lane of the one that still asks");
    }

    #[tokio::test]
    async fn who_is_told_nothing_asks_for_itself() {
        let (all, open) = (Doubles::default(), Semaphore::new(0));
        let first = all.ask("a", 1, ready(()), async |asked| {
            let _turn = open.acquire().await;
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
