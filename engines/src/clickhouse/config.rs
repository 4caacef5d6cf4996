//! ClickHouse's configuration as text. Enters: options and ports. Leaves: files' contents; nothing is read or written.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ClickHousePorts;
use crate::cache::hex;
use crate::options::ClickHouseOptions;

/// The user with all rights, who owns database and tables.
pub const ADMIN_USER: &str = "callmeter";
/// The user who may read, within limits.
pub const READ_USER: &str = "callmeter_read";

/// Where the server keeps its data, below its folder.
pub(super) fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The server's settings: small at rest, bounded, for one machine.
pub(super) fn server(
    options: &ClickHouseOptions,
    ports: ClickHousePorts,
    dir: &Path,
    users: &Path,
) -> String {
    let ClickHousePorts { http, tcp } = ports;
    let memory = options.max_memory_bytes;
    let data = escaped(&data(dir));
    let users = escaped(users);
    format!(
        "\
<clickhouse>
  <!-- To standard error, whose file the supervisor bounds. -->
  <logger><level>information</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <path>{data}/</path>
  <tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>4</background_pool_size>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <max_concurrent_queries>200</max_concurrent_queries>
  <part_log>
    <database>system</database>
    <table>part_log</table>
    <ttl>event_date + INTERVAL 3 DAY DELETE</ttl>
    <flush_interval_milliseconds>30000</flush_interval_milliseconds>
  </part_log>
</clickhouse>
"
    )
}

/// Who may do what. `library` adds the user that the library's own session logs in as.
pub(super) fn users(options: &ClickHouseOptions, library: bool) -> String {
    let admin =
        user(ADMIN_USER, options.password.expose(), "default", "<access_management>1</access_management>");
    let reader = user(READ_USER, options.read_password.expose(), "reader", READER_GRANTS);
    let host = if library { HOST_USER } else { "" };
    format!(
        "\
<clickhouse>
  <profiles>
    <default></default>
{HOST_PROFILE}
    <reader>
      <readonly>2</readonly>
      <max_execution_time>60</max_execution_time>
      <max_memory_usage>{reader_memory}</max_memory_usage>
      <max_result_rows>1000000</max_result_rows>
      <max_concurrent_queries_for_user>32</max_concurrent_queries_for_user>
      <constraints>
        <max_execution_time><max>60</max></max_execution_time>
        <max_memory_usage><max>{reader_memory}</max></max_memory_usage>
        <max_result_rows><max>1000000</max></max_result_rows>
        <max_concurrent_queries_for_user><readonly/></max_concurrent_queries_for_user>
      </constraints>
    </reader>
  </profiles>
  <quotas><default></default></quotas>
  <users>
{host}{admin}{reader}  </users>
</clickhouse>
",
        reader_memory = options.max_memory_bytes / 2,
    )
}

/// Reading a table is all: without grants of its own a user may read every file of the machine and ask any address,
/// through the table functions `file` and `url`.
const READER_GRANTS: &str = "<grants>
        <query>GRANT SELECT, SHOW, dictGet ON *.*</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
      </grants>";

/// The library logs in as `default` without a password, from an address that any local program has too. Its profile
/// admits a single session, which the library's own takes before the ports open: everybody else is refused. Its grants
/// are no more than the library's three statements need.
const HOST_USER: &str = "    \
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>host</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
        <query>GRANT READ ON FILE</query>
      </grants>
    </default>
";

const HOST_PROFILE: &str = "    \
    <host>
      <max_sessions_for_user>1</max_sessions_for_user>
      <constraints><max_sessions_for_user><readonly/></max_sessions_for_user></constraints>
    </host>";

fn user(name: &str, password: &str, profile: &str, extra: &str) -> String {
    let hash = hex(&Sha256::digest(password));
    format!(
        "    \
    <{name}>
      <password_sha256_hex>{hash}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>{profile}</profile>
      <quota>default</quota>
      {extra}
    </{name}>
"
    )
}

fn escaped(path: &Path) -> String {
    path.display().to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Password;

    fn options() -> ClickHouseOptions {
        ClickHouseOptions {
            http_port: 0,
            tcp_port: 0,
            max_memory_bytes: 1 << 30,
            password: Password::new("canary-admin"),
            read_password: Password::new("canary-reader"),
        }
    }

    #[test]
    fn no_password_stands_in_a_file() {
        let text = users(&options(), true);
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains(&hex(&Sha256::digest("canary-admin"))));
    }

    #[test]
    fn reader_has_grants_of_its_own_and_no_source_among_them() {
        let text = users(&options(), false);
        let reader = text.split_once("<callmeter_read>").expect("the reader").1;
        assert!(reader.contains("GRANT SELECT, SHOW, dictGet ON *.*"), "{reader}");
        assert!(!reader.contains("READ ON"), "{reader}");
    }

    #[test]
    fn only_the_library_has_a_user_without_password() {
        assert!(users(&options(), true).contains("<password></password>"));
        assert!(!users(&options(), false).contains("<password></password>"));
    }

    #[test]
    fn server_listens_on_this_machine_only() {
        let ports = ClickHousePorts { http: 8123, tcp: 15002 };
        let text = server(&options(), ports, Path::new("/d & e"), Path::new("/d & e/users.xml"));
        assert_eq!(text.matches("<listen_host>").count(), 1);
        assert!(text.contains("<listen_host>127.0.0.1</listen_host>"));
        assert!(text.contains("<path>/d &amp; e/data/</path>"), "{text}");
    }
}
