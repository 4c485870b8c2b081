//! Builds the request for the container of a part: its image, port, environment and mounts.

use super::super::wiring::folder_variable;
use super::super::{Fixture, StackError, StackRequest};
use super::{Arc, BTreeMap, HashMap, LABEL, Mutex, PathBuf, REDIS_PORT, START_DEADLINE, fixture};
use crate::plan::topology::{Part, PartKind, Topology};
use bollard::models::{NetworkInspect, PortBinding};
use mcp_contracts::env;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{AccessMode, IntoContainerPort, Mount, WaitFor, wait::LogWaitStrategy};
use testcontainers::{ContainerRequest, CopyTargetOptions, GenericImage, ImageExt};

/// Folder of a service's data in its container.
const DATA: &str = "/data";
/// Folder of a service's rules or patterns in its container.
const FILES: &str = "/files";

pub(super) fn request(
    request: &StackRequest,
    part: &Part,
    (label, gateway): (&str, IpAddr),
    port: u16,
    environment: BTreeMap<String, String>,
    log: &Path,
) -> Result<ContainerRequest<GenericImage>, StackError> {
    let (name, tag) = image(request, part)?;
    let inside = match part.kind {
        PartKind::Redis => REDIS_PORT,
        PartKind::Service(service) => service.default_port(),
        PartKind::Postgres | PartKind::Target => return Err(no_image(part)),
    };
    let generic = GenericImage::new(name, tag).with_exposed_port(inside.tcp());
    let generic = match part.kind {
        PartKind::Redis => generic.with_wait_for(WaitFor::log(LogWaitStrategy::stdout("Ready to accept connections"))),
        PartKind::Service(_) | PartKind::Postgres | PartKind::Target => generic,
    };
    let file = std::fs::File::options().create(true).append(true).open(log);
    let file = Arc::new(Mutex::new(file.map_err(|error| StackError::start(&part.name, error))?));
    // Container names are unique on a machine, so the name of the part alone would clash with another stack's.
    let mut container = generic
        .with_network(label)
        .with_container_name(host(label, &part.name))
        .with_hostname(&part.name)
        .with_label(LABEL, label)
        .with_startup_timeout(START_DEADLINE)
        .with_log_consumer(move |frame: &LogFrame| {
            let _ = file.lock().write_all(frame.bytes());
        });
    if part.kind == PartKind::Redis {
        // Protected mode is off, because it would refuse the other containers; only this stack uses the network. The
        // fault `loading` needs `DEBUG`.
        container = container.with_cmd(["redis-server", "--protected-mode", "no", "--enable-debug-command", "yes"]);
    }
    if let PartKind::Service(service) = part.kind {
        // Before the loop, so that a database in the settings of the topology has priority.
        let database = format!("sqlite://{DATA}/{}.db", part.data);
        container = container.with_env_var(env::DATABASE_URL, database);
        for (name, value) in environment {
            container = container.with_env_var(name, value);
        }
        container = container
            .with_env_var(env::LISTEN_ADDR, format!("0.0.0.0:{inside}"))
            // Other parts call the service by its name on the network, or by the address of the proxy before it. Neither is loopback.
            .with_env_var(env::ALLOWED_HOSTS, format!("{},{gateway}", host(label, &part.name)))
            // The restrictions of docker-compose.yml, so that a service that needs more fails here first.
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges");
        if shared_data(&request.topology).contains(part.data.as_str()) {
            container = container.with_mount(Mount::volume_mount(volume(label, &part.data), DATA));
        }
        if let Some(variable) = folder_variable(part.kind).filter(|_| fixture::has_folder(&request.fixtures, service)) {
            let folder: PathBuf = fixture::folder(&request.dir, service);
            // The folder and not the file: a file that is mounted alone keeps its old content when it is replaced by a
            // rename.
            let mount = Mount::bind_mount(folder.display().to_string(), FILES).with_access_mode(AccessMode::ReadOnly);
            container = container.with_env_var(variable, FILES).with_mount(mount);
        }
        for fixtures in &request.fixtures {
            if let Fixture::Database { service: of, bytes } = fixtures
                && *of == service
            {
                // The service runs as another user in its container and must be able to write to the file.
                let target = CopyTargetOptions::new(format!("{DATA}/{}.db", part.data)).with_mode(0o666);
                container = container.with_copy_to(target, bytes.to_vec());
            }
        }
    }
    // The port is fixed, because Docker would choose another one at every restart. It is published on loopback only, so
    // that no other machine can reach a stack under test.
    Ok(container.with_host_config_modifier(move |host| {
        let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) };
        host.publish_all_ports = Some(false);
        host.port_bindings = Some(HashMap::from([(format!("{inside}/tcp"), Some(vec![binding]))]));
    }))
}

/// Returns the name and the tag of the image of a part.
pub(super) fn image<'a>(request: &'a StackRequest, part: &Part) -> Result<(&'static str, &'a str), StackError> {
    match part.kind {
        PartKind::Redis => Ok(("redis", "7")),
        PartKind::Service(service) => Ok((service.binary(), &request.image_tag)),
        PartKind::Postgres | PartKind::Target => Err(no_image(part)),
    }
}

pub(super) fn no_image(part: &Part) -> StackError {
    StackError::start(&part.name, "it has no image of this product")
}

/// Returns the address of this machine on a network.
pub(super) fn gateway(network: NetworkInspect) -> Result<IpAddr, String> {
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let address = configs.into_iter().find_map(|config| config.gateway?.split('/').next()?.parse().ok());
    address.ok_or_else(|| {
        "the network of the stack has no gateway, so its containers cannot reach this machine".to_owned()
    })
}

/// The name of a part on the network of its stack.
pub(super) fn host(label: &str, part: &str) -> String {
    format!("{part}-{label}")
}

/// The name of the volume for data that several parts share.
pub(super) fn volume(label: &str, data: &str) -> String {
    format!("{data}-{label}")
}

/// Returns the names of data that more than one part uses.
pub(super) fn shared_data(topology: &Topology) -> BTreeSet<&str> {
    let names = || topology.parts.iter().map(|part| part.data.as_str());
    names().filter(|name| names().filter(|other| other == name).count() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::{Topology, shared_data};
    use mcp_contracts::Service;

    #[test]
    fn the_instances_of_a_service_share_its_data() {
        assert!(shared_data(&Topology::full()).is_empty());
        let two = Topology::full().instances(Service::Memory, 2);
        assert_eq!(shared_data(&two).into_iter().collect::<Vec<_>>(), ["memory"]);
    }
}
