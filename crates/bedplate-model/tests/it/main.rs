//! Property tests: what is displayed parses to the same value, and the order of versions is an order. `rpm` compares with
//! the installed rpm.

mod rpm;

use std::cmp::Ordering;

use bedplate_model::{
    Dependency, DependencyKind, DependencySet, Evr, LooseEvr, Nevra, RichDependency, Sense, parse_rich, vercmp,
};
use proptest::prelude::*;

const PART: &str = "[0-9a-c._+~^%{}]{1,8}";

fn evr(release: impl Strategy<Value = Option<String>>) -> impl Strategy<Value = Evr> {
    (proptest::option::of(any::<u32>()), PART, release).prop_map(|(epoch, version, release)| {
        Evr::new(epoch, &version, release.as_deref()).expect("made of what is allowed")
    })
}

fn single() -> impl Strategy<Value = RichDependency> {
    let relation = prop_oneof![
        Just(Sense::LESS),
        Just(Sense::LESS | Sense::EQUAL),
        Just(Sense::EQUAL),
        Just(Sense::GREATER | Sense::EQUAL),
        Just(Sense::GREATER),
    ];
    ("[a-z/]{1,5}(\\([a-z:]{0,3}\\))?", proptest::option::of((relation, "[0-9.~-]{1,5}"))).prop_map(
        |(name, version)| {
            let (sense, evr) = version.unwrap_or((Sense::ANY, String::new()));
            RichDependency::Single { name, sense, evr }
        },
    )
}

fn rich() -> impl Strategy<Value = RichDependency> {
    single().prop_recursive(4, 24, 3, |inner| {
        let many = || proptest::collection::vec(inner.clone(), 2..4);
        let one = || inner.clone().prop_map(Box::new);
        let maybe = || proptest::option::of(one());
        prop_oneof![
            one().prop_map(RichDependency::Group),
            many().prop_map(RichDependency::And),
            many().prop_map(RichDependency::Or),
            many().prop_map(RichDependency::With),
            (one(), one()).prop_map(|(a, b)| RichDependency::Without(a, b)),
            (one(), one()).prop_map(|(a, b)| RichDependency::Else(a, b)),
            (one(), one(), maybe()).prop_map(|(then, condition, otherwise)| RichDependency::If {
                then,
                condition,
                otherwise
            }),
            (one(), one(), maybe()).prop_map(|(then, condition, otherwise)| RichDependency::Unless {
                then,
                condition,
                otherwise
            }),
        ]
    })
}

proptest! {
    #[test]
    fn evr_round_trips(evr in evr(proptest::option::of(PART))) {
        prop_assert_eq!(evr.to_string().parse::<Evr>(), Ok(evr.clone()));
        prop_assert_eq!(LooseEvr::parse(&evr.to_string()), Some(evr.to_loose()));
    }

    #[test]
    fn any_evr_text_round_trips(text in "\\PC{1,12}") {
        let loose = LooseEvr::parse(&text).expect("the text is not empty");
        let shown = loose.to_string();
        prop_assert_eq!(shown.trim_start_matches('0'), text.trim_start_matches('0'));
        prop_assert_eq!(LooseEvr::parse(&shown), Some(loose));
    }

    #[test]
    fn nevra_round_trips(name in "[a-z0-9_][a-z0-9.+_-]{0,8}", evr in evr(PART.prop_map(Some)), arch in "[a-z0-9_]{1,8}") {
        let nevra = Nevra::new(
            name.parse().expect("a good name"),
            evr,
            arch.parse().expect("a good architecture"),
        ).expect("the release is there");
        prop_assert_eq!(nevra.to_string().parse::<Nevra>(), Ok(nevra));
    }

    #[test]
    fn dependency_round_trips(
        name in "[a-z0-9_/.+-]{1,8}(\\([a-z:<=>]{0,4}\\)){0,2}",
        version in proptest::option::of((1..8_u32, "[0-9a-c.:_+~^-]{1,8}")),
        qualifiers in any::<u32>(),
    ) {
        // The bits 1 to 3 are `<`, `>` and `=`; no text stands for `<` and `>` together.
        let (relation, evr) = version.unwrap_or_default();
        prop_assume!(relation & 3 != 3);
        let known = Sense::ALL_REQUIRES | Sense::TRIGGER | Sense::FIND_PROVIDES | Sense::CONFIG;
        let qualifiers = Sense::from_bits(qualifiers) & known.without(Sense::MISSINGOK);
        let dependency = Dependency::new(name, evr, Sense::from_bits(relation << 1) | qualifiers);
        prop_assert_eq!(dependency.to_string().parse::<Dependency>(), Ok(dependency));
    }

    #[test]
    fn any_dependency_text_is_parsed_or_refused(text in "[a(), <=>1\\[\\]]{0,16}|\\PC{0,16}") {
        if let Ok(dependency) = text.parse::<Dependency>() {
            prop_assert_eq!(dependency.to_string().parse::<Dependency>(), Ok(dependency));
        }
    }

    #[test]
    fn vercmp_is_antisymmetric(a in "[0-9a-c._~^ä]{0,8}", b in "[0-9a-c._~^ä]{0,8}") {
        prop_assert_eq!(vercmp(&a, &b), vercmp(&b, &a).reverse());
        prop_assert_eq!(vercmp(&a, &a), Ordering::Equal);
    }

    #[test]
    fn rich_dependencies_round_trip_where_rpm_takes_them(tree in rich()) {
        let shown = tree.to_string();
        if let Ok((parsed, rest)) = parse_rich(&shown, DependencyKind::Requires) {
            prop_assert_eq!(rest, "");
            prop_assert_eq!(&parsed, &tree);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused_with_a_place(text in "[(), a-c=<>]{0,24}|\\PC{0,24}") {
        match parse_rich(&text, DependencyKind::Supplements) {
            Ok((tree, rest)) => {
                prop_assert!(text.ends_with(rest));
                // A name such as `a(` is good before a blank or a comma; shown before a bracket it is another name, in rpm
                // as here.
                let balanced = |text: &str| text.matches('(').count() == text.matches(')').count();
                prop_assume!(tree.singles().iter().all(|single| balanced(&single.to_string())));
                let shown = tree.to_string();
                prop_assert_eq!(parse_rich(&shown, DependencyKind::Supplements), Ok((tree, "")));
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.at)),
        }
    }

    #[test]
    fn sets_do_not_depend_on_the_order_of_adding(
        names in proptest::collection::vec(("[ab(]{1,2}", "[01]{0,1}", 0..16_u32), 0..12)
    ) {
        let all: Vec<_> = names.into_iter()
            .map(|(name, evr, sense)| Dependency::new(name, evr, Sense::from_bits(sense)))
            .collect();
        let forwards: DependencySet = all.iter().cloned().collect();
        let backwards: DependencySet = all.iter().rev().cloned().collect();
        prop_assert_eq!(&forwards, &backwards);
        prop_assert!(all.iter().all(|dependency| forwards.contains(dependency)));
    }
}
