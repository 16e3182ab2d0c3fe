//! `bedplate version`: what people and scripts see; that the order is rpm's is shown in `bedplate-model`.

use serde_json::json;

use crate::support::TestEnv;

#[test]
fn two_versions_are_compared() {
    let env = TestEnv::new();
    for (a, b, answer) in [
        ("1.0~rc1", "1.0", "1.0~rc1 < 1.0\n"),
        ("2_0", "2.0", "2_0 = 2.0\n"),
        ("1:1", "2-1", "1:1 > 2-1\n"),
        ("1.0-1", "1.0", "1.0-1 > 1.0\n"),
    ] {
        env.run(&["version", "compare", a, b]).exits(0).prints(answer);
    }
    let answer = env.run(&["version", "compare", "--json", "1", "2"]).exits(0);
    assert_eq!(answer.json(), [json!({ "a": "1", "b": "2", "order": "<" })]);
}

#[test]
fn pairs_come_from_standard_input() {
    let env = TestEnv::new();
    let compare = ["version", "compare"];
    env.run_with_input(&compare, "1 2\n\n  3\t1.0 \n").exits(0).prints("1 < 2\n3 > 1.0\n");
    env.run_with_input(&compare, "").exits(0).prints("");
    let answer = env.run_with_input(&compare, "1 2\n1\n1 2 3\n").exits(2).says("line 2: two versions are expected");
    answer.says("line 3: two versions are expected, `1 2 3` has 3").prints("");
}

#[test]
fn versions_are_sorted_and_equal_ones_keep_their_order() {
    let env = TestEnv::new();
    env.run(&["version", "sort", "1.10", "2_0", "1.9", "2.0", "1.9~rc1"])
        .exits(0)
        .prints("1.9~rc1\n1.9\n1.10\n2_0\n2.0\n");
    env.run_with_input(&["version", "sort", "--reverse"], "1\n0:3-1\n2\n").exits(0).prints("0:3-1\n2\n1\n");
    env.run(&["version", "sort", "1 2", ""]).exits(2).says("`1 2` is not one version").says("a version is empty");
    let answer = env.run(&["version", "sort", "--json", "1:2-3"]).exits(0);
    assert_eq!(answer.json(), [json!({ "text": "1:2-3", "epoch": "1", "version": "2", "release": "3" })]);
}

#[test]
fn dependencies_overlap_or_not() {
    let env = TestEnv::new();
    let overlap = ["version", "overlap"];
    env.run(&["version", "overlap", "zlib >= 1.2", "zlib = 1.3-1"])
        .exits(0)
        .prints("zlib >= 1.2\tzlib = 1.3-1\toverlap\n");
    env.run_with_input(&overlap, "a < 2\ta = 1:1\na\tb\n")
        .exits(0)
        .prints("a < 2\ta = 1:1\tno overlap\na\tb\tno overlap\n");
    let answer = env.run(&["version", "overlap", "--json", "a", "a = 1"]).exits(0);
    assert_eq!(answer.json(), [json!({ "a": "a", "b": "a = 1", "overlap": true })]);
    env.run(&["version", "overlap", "a>=1", "(a or b)"]).exits(2).says("blanks are missing").says("a rich dependency");
    env.run_with_input(&overlap, "a b\n").exits(2).says("line 1: two dependencies with a tab between");
    env.run(&["version", "overlap", "a"]).exits(2).says("2");
}
