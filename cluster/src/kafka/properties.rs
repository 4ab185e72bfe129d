//! A broker's settings: small, quick to start, quick to miss a broker that is gone.

use super::{Node, Secured};

/// What the broker tells goes to its output, from warnings on.
pub(super) const LOG4J2: &str = "\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
";

/// A broker's settings. Its ports and `all` brokers' are the plain, the controller's and the secured one.
pub(super) fn properties(
    node: &Node,
    [plain, controller, second]: [u16; 3],
    told: u16,
    all: &[[u16; 3]],
    secured: Option<&Secured>,
) -> String {
    let voters = (1..).zip(all).map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports[1]));
    let voters = voters.collect::<Vec<_>>().join(",");
    let copies = all.len();
    let in_sync = if copies == 1 { 1 } else { 2 };
    let data = node.folder.join("data").display().to_string();
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller}");
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{plain}");
    let mut protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned();
    let mut further = String::new();
    if let Some(secured) = secured {
        listeners += &format!(",SECURED://127.0.0.1:{second}");
        advertised += &format!(",SECURED://127.0.0.1:{told}");
        protocols += &format!(",SECURED:{}", secured.protocol);
        for (name, value) in &secured.properties {
            let value = value.replace("{folder}", &node.folder.to_string_lossy());
            further += &format!("listener.name.secured.{name}={value}\n");
        }
    }
    if copies > 1 {
        // A broker that is gone is missed after three seconds instead of nine.
        further += "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
            controller.quorum.election.timeout.ms=500\ncontroller.quorum.fetch.timeout.ms=1000\nreplica.lag.time.max.ms=5000\n";
    }
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols}
log.dirs={data}
num.partitions=8
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=5
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=5
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
unclean.leader.election.enable=false
num.network.threads=2
num.io.threads=4
{further}",
        id = node.id
    )
}
