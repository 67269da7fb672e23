//! The tasks of a process, each with its own stop signal, so that they can be stopped in order.

use std::future::Future;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A task that runs until it is told to stop.
pub(super) struct Loop {
    name: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Loop {
    /// Starts the task.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        run: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { name, stop, task: tokio::spawn(run(stopped)) }
    }

    /// Tells the task to stop and waits; aborts it after `within`. False if it was aborted, failed, or had ended before.
    pub async fn stop(mut self, within: Duration) -> bool {
        if self.task.is_finished() {
            tracing::error!(task = self.name, "task had ended before it was told to stop");
            return false;
        }
        self.stop.send_replace(true);
        match tokio::time::timeout(within, &mut self.task).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(task = self.name, %error, "task failed while stopping");
                false
            }
            Err(_) => {
                tracing::warn!(
                    task = self.name,
                    after.seconds = within.as_secs_f64(),
                    "task did not stop in time and was aborted"
                );
                self.task.abort();
                false
            }
        }
    }
}

/// Waits until a task ends before it is told to; returns its name.
pub(super) async fn first_to_end<'a>(loops: impl IntoIterator<Item = &'a mut Loop>) -> &'static str {
    let watched = loops.into_iter().map(|watched| {
        Box::pin(async move {
            // `stop` reports how it ended.
            let _ = (&mut watched.task).await;
            watched.name
        })
    });
    select_all(watched).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_loop_that_obeys_has_stopped_well() {
        let obedient = Loop::spawn("obedient", |mut stop| async move {
            let _ = stop.wait_for(|stop| *stop).await;
        });
        assert!(obedient.stop(SOON).await);
    }

    #[tokio::test]
    async fn a_loop_that_does_not_is_cut_off() {
        let deaf = Loop::spawn("deaf", |_| std::future::pending());
        assert!(!deaf.stop(Duration::ZERO).await);
    }

    #[tokio::test]
    async fn a_loop_that_ends_by_itself_is_noticed() {
        let mut loops = [
            Loop::spawn("steady", |_| std::future::pending()),
            Loop::spawn("broken", |_| async { panic!("as tests do") }),
        ];
        assert_eq!(first_to_end(&mut loops).await, "broken");
        let [_, broken] = loops;
        assert!(!broken.stop(SOON).await);
    }
}
