//! Sets, as text: what they mean, what is wrong with them, and back.

use proptest::prelude::*;

use super::*;

fn members(vcluster: &VCluster) -> Vec<NodeName> {
    match vcluster.as_str() {
        "ml" => ["ml2", "ml10", "ml1"].map(|name| name.parse().unwrap()).to_vec(),
        _ => Vec::new(),
    }
}

fn expanded(text: &str) -> String {
    match text.parse::<NodeSet>() {
        Ok(set) => set.expand(members).iter().map(NodeName::as_str).collect::<Vec<_>>().join(" "),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn sets_mean_what_administrators_expect() {
    for (text, expected) in [
        ("node042", "node042"),
        ("n[1-3]", "n1 n2 n3"),
        ("n[9-11]", "n9 n10 n11"),
        ("n[009-011,205]", "n009 n010 n011 n205"),
        ("n[1-9/4]", "n1 n5 n9"),
        ("r[1-2]n[01-02].example", "r1n01.example r1n02.example r2n01.example r2n02.example"),
        ("b,a,b", "a b"),
        ("n[1-5]!n[2-3]", "n1 n4 n5"),
        ("n[1-5]&n[4-9]", "n4 n5"),
        ("n[1-3]^n[3-4]", "n1 n2 n4"),
        ("n1,n2!n1,n3", "n2 n3"),
        ("@ml", "ml1 ml2 ml10"),
        ("@ml!ml2", "ml1 ml10"),
        ("@none", ""),
    ] {
        assert_eq!(expanded(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in [
        ("", "at character 1: a node, a set"),
        ("n1,", "at character 4: a node, a set"),
        (",n1", "at character 1: a node"),
        ("n[1-3", "at character 2: this bracket is not closed"),
        ("n1]", "at character 3: this bracket was not opened"),
        ("n[]", "at character 3: \"\" is not a number"),
        ("n[3-1]", "at character 3: \"3-1\" is not"),
        ("n[1-3,x]", "at character 7: \"x\" is not"),
        ("n[1-9/0]", "at character 3: \"1-9/0\" is not"),
        ("n[-1]", "at character 3: \"-1\" is not"),
        ("N1", "at character 1: \"N1\" is not a node name"),
        ("n 1", "is not a node name"),
        ("@M L", "at character 2: \"M L\" is not a vCluster name"),
        ("n[0-99999999]", "these are more than 65536 nodes"),
        ("n[0-9999]m[0-9999]", "these are more than 65536 nodes"),
        ("n[1-65536,1]", "at character 11: these are more than 65536 nodes"),
        ("n[0-65535],m", "these are more than 65536 nodes"),
        ("n[1-99999999999999999999]", "is not a number"),
    ] {
        let bad = text.parse::<NodeSet>().unwrap_err().to_string();
        assert!(bad.contains(expected), "{text}: {bad}");
    }
}

#[test]
fn names_are_folded() {
    for (names, expected) in [
        ("", ""),
        ("node042", "node042"),
        ("n1 n2 n3", "n[1-3]"),
        ("node001 node002 node003 node007", "node[001-003,007]"),
        ("n9 n10 n11", "n[9-11]"),
        ("n09 n10", "n09,n10"),
        ("n099 n100", "n099,n100"),
        ("a b n1 n2 z", "a,b,n[1-2],z"),
        ("r1n1.example r1n2.example r2n1.example", "r1n[1-2].example,r2n1.example"),
    ] {
        let parsed: Vec<NodeName> = names.split_ascii_whitespace().map(|name| name.parse().unwrap()).collect();
        assert_eq!(fold(&parsed), expected, "{names}");
    }
}

proptest! {
    #[test]
    fn what_is_folded_expands_to_the_same(
        names in prop::collection::btree_set("[a-c]{1,2}(0?[0-9]{1,3}|[0-9]{1,2}[x-z][0-9]?)?", 0..40)
    ) {
        let parsed: Vec<NodeName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let folded = fold(&parsed);
        let back = if folded.is_empty() { Vec::new() } else { folded.parse::<NodeSet>().unwrap().expand(members) };
        let (mut sorted, mut expected) = (back, parsed);
        sorted.sort();
        expected.sort();
        prop_assert_eq!(sorted, expected, "{}", folded);
    }

    #[test]
    fn no_text_panics(text in "[n@0-9\\[\\],!&^/-]{0,30}|\\PC{0,30}") {
        let _ = expanded(&text);
    }
}
