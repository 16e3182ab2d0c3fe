//! Repositories behind URLs, fetched from a server that counts what is asked of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::build_world::{World, spec, world_with_its_own_store};
use crate::support::Answer;

/// A server of a folder, on a port of its own; it ends with the test.
struct Server {
    url: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    fn of(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, counted) = (folder.clone(), Arc::clone(&counted));
                std::thread::spawn(move || answer(stream, &folder, &counted));
            }
        });
        Self { url, asked }
    }

    /// The paths that were asked for since the last call, each with how often.
    fn asked(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, folder: &Path, asked: &Mutex<BTreeMap<String, usize>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let path = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        *asked.lock().unwrap().entry(path.clone()).or_insert(0) += 1;
        let (status, body) = match std::fs::read(folder.join(path.replace("%2B", "+"))) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}

fn compose(world: &World, more: &[&str]) -> Answer {
    let mut command = world.env.command(&["image", "build", "node.toml", "--output", "images", "--format", "tar"]);
    command.args(more).arg("--seed").arg(&world.seed).arg("--store").arg(&world.store);
    world.env.answer(command)
}

fn wrote_nothing(world: &World) {
    for name in ["images", "node.lock"] {
        assert!(!world.env.path().join(name).exists(), "{name} was written");
    }
}

#[test]
fn a_repository_is_fetched_once_and_trusted_as_little_as_a_folder() {
    let world = world_with_its_own_store();
    for (name, tags) in [("one", "Requires: two\n"), ("two", ""), ("unused", ""), ("later", "")] {
        world.add(name, &spec(name, tags, "true", &format!("echo {name} > %{{buildroot}}/usr/share/{name}/x"), ""));
    }
    world.build(&["--all"]).exits(0);
    let repository = world.env.path().join("out/repository/os");
    let server = Server::of(repository.clone());
    let config = |url: &str, key: &str, packages: &str| {
        let text = format!(
            "version = 1\nname = \"node\"\narchitecture = \"x86_64\"\n[packages]\ninstall = [{packages}]\n[[repository]]\nname = \"os\"\n\
             url = \"{url}\"\nkey = \"{key}\"\nexclude = [\"unused\"]\n[boot]\nkind = \"none\"\n"
        );
        world.env.write("node.toml", text);
    };
    let key = "out/repository/RPM-GPG-KEY-bedplate";

    // What cannot be got, or trusted, leaves nothing behind.
    config(&server.url, key, "\"one\"");
    let never = compose(&world, &["--offline"]).exits(3).says("was never fetched").says("node.toml:8:7");
    drop(never.says("compose once without `--offline`"));
    config(&format!("{}/elsewhere", server.url), key, "\"one\"");
    compose(&world, &[]).exits(2).says("elsewhere/repodata/repomd.xml: the file is not there").says("node.toml:8:7");
    let other = world.env.run(&["key", "create", "--key", "other.key"]).exits(0);
    world.env.write("other.asc", other.stdout);
    config(&server.url, "other.asc", "\"one\"");
    compose(&world, &[])
        .exits(2)
        .says("repodata/repomd.xml is not good")
        .says("name the key that signs this repository");
    config(&server.url, key, "\"one\"");
    let signature = repository.join("repodata/repomd.xml.asc");
    let bytes = std::fs::read(&signature).unwrap();
    std::fs::remove_file(&signature).unwrap();
    compose(&world, &[]).exits(2).says("is not signed").says("bedplate repo sign");
    std::fs::write(&signature, bytes).unwrap();
    wrote_nothing(&world);

    // A package that is not the one that the metadata mean.
    let file = |name: &str| {
        let all = std::fs::read_dir(repository.join("noarch")).or_else(|_| std::fs::read_dir(&repository)).unwrap();
        let mut all = all.map(|entry| entry.unwrap().path());
        all.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-1"))).unwrap()
    };
    let good = std::fs::read(file("two")).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(file("two"), bad).unwrap();
    compose(&world, &[]).exits(2).says("wrong bytes").says("two-1.0-1");
    std::fs::write(file("two"), &good).unwrap();
    wrote_nothing(&world);

    // Only what is needed comes, and once.
    server.asked();
    compose(&world, &[]).exits(0);
    let asked = server.asked();
    let packages: Vec<&String> = asked.keys().filter(|path| path.ends_with(".rpm")).collect();
    assert_eq!(packages.len(), 1, "`one` was here already: {asked:?}");
    assert!(packages[0].contains("two-1.0-1"), "{asked:?}");
    compose(&world, &[]).exits(0);
    let index: BTreeMap<String, usize> =
        ["repodata/repomd.xml", "repodata/repomd.xml.asc"].map(|path| (path.to_owned(), 1)).into();
    assert_eq!(server.asked(), index);
    compose(&world, &["--offline"]).exits(0);
    assert_eq!(server.asked(), BTreeMap::new());
    config(&server.url, key, "\"one\", \"later\"");
    compose(&world, &["--offline", "--update-lock"]).exits(3).says("later-1.0-1.noarch is not here");
    config(&server.url, key, "\"unused\"");
    compose(&world, &["--update-lock"]).exits(2).says("no repository has `unused`");
}
