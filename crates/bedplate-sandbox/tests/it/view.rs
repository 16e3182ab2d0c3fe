//! What a build sees.

use super::*;

#[test]
fn a_command_runs_and_its_output_and_status_come_back() {
    let (outcome, log) = Place::new().sh("echo out; echo err >&2; id -u; hostname; pwd; printf end; exit 3");
    assert_eq!(outcome.end, bedplate_sandbox::End::Exited(3));
    assert_eq!(log, "out\nerr\n1000\nbedplate\n/build\nend\n");
}
