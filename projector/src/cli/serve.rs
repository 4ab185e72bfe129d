//! Everything that follows the log, in one process.

use std::sync::Arc;

use reinstate_process::stores::Settings;
use reinstate_process::{Operations, Running, Stores};
use reinstate_projector::commands::Commands;
use reinstate_projector::concluder::Concluder;
use reinstate_projector::courier::Courier;
use reinstate_projector::courier::acknowledged::Acknowledged;
use reinstate_projector::courier::outbox::Outbox;
use reinstate_projector::follow::Projector;
use reinstate_projector::timekeeper::Timekeeper;
use reinstate_projector::watch;
use reinstate_store::log::LogReader;
use tokio::task::JoinSet;

use super::Failure;
use super::settings::Courier as Outlet;

/// Follows until the process is to end.
pub(super) async fn serve(outlet: &Outlet, settings: &Settings, running: &Running) -> Result<(), Failure> {
    let stores = Stores::open(settings).await?;
    let outbox = Outbox::open(&outlet.outbox)
        .map_err(|source| Failure::Outbox { path: outlet.outbox.clone(), source })?;
    let acknowledged = Acknowledged::open(&outlet.position)?;

    let readiness = stores.readiness().until(running.stop.clone()).shared();
    let operations = Operations::bind(&settings.operations, readiness, running.metrics.clone())?;
    tracing::info!(operations = %operations.address(), "listening");
    let operations = operations.serve();

    let log: Arc<dyn LogReader> = Arc::new(stores.log.reader().clone());
    let rows = &stores.database;
    let courier = Courier::new(
        Arc::clone(&log),
        Arc::clone(rows) as _,
        Arc::clone(&stores.keys),
        stores.code_key.clone(),
        Arc::new(outbox),
        acknowledged,
    );
    let commands = Commands {
        journal: Arc::clone(&stores.journal),
        policy: Arc::clone(&stores.policy.policy),
        code_key: stores.code_key.clone(),
    };
    let projector = Projector::new(Arc::clone(&log), Arc::clone(rows) as _, Arc::clone(&stores.keys));
    let timekeeper = Timekeeper::new(commands.clone(), Arc::clone(rows) as _);
    let concluder = Concluder::new(commands, Arc::clone(rows) as _);

    let mut tasks = JoinSet::new();
    stores.follow(&mut tasks);
    tasks.spawn(Arc::new(projector).run());
    tasks.spawn(Arc::new(courier).run());
    tasks.spawn(async move { timekeeper.run().await });
    tasks.spawn(async move { concluder.run().await });
    tasks.spawn(watch::run(log, Arc::clone(rows) as _));
    running.stop.requested().await;
    // Each may be dropped at any time: what it had begun is begun again.
    tasks.shutdown().await;
    operations.stop(true).await;
    Ok(())
}
