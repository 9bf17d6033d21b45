//! `abide-dev`: the embedded server as a program, for workers and clients in any language.

use std::net::SocketAddr;
use std::process::ExitCode;

use abide::SearchAttributeKey;
use abide_server::Server;

const USAGE: &str = "usage: abide-dev [--port N] [--namespace NAME]... [--search-attribute NAME=TYPE]...

Serves Temporal's API on 127.0.0.1, in memory, until it is interrupted (Ctrl-C).

  --port N          the port to listen at; default 7233, 0 takes any free port
  --namespace NAME  a namespace besides `default`; may be repeated
  --search-attribute NAME=TYPE
                    a search attribute of all namespaces; may be repeated. TYPE is Keyword, KeywordList, Text, Int,
                    Double, Bool or Datetime
";

#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    port: u16,
    namespaces: Vec<String>,
    /// Names and types.
    search_attributes: Vec<(String, String)>,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]
async fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprint!("abide-dev: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let builder = arguments.namespaces.into_iter().fold(Server::builder(), |builder, name| builder.namespace(name));
    let server = builder.start();
    for (name, type_name) in arguments.search_attributes {
        register(&server, &name, &type_name);
    }
    let wanted = SocketAddr::from(([127, 0, 0, 1], arguments.port));
    match server.listen(wanted).await {
        Ok(address) => println!("abide-dev listens on {address} (Ctrl-C ends it)"),
        Err(error) => {
            eprintln!("abide-dev: cannot listen on {wanted}: {error}; choose another port with --port");
            return ExitCode::FAILURE;
        }
    }
    // Ctrl-C ends the process with everything in it.
    std::future::pending().await
}

const TYPES: [&str; 7] = ["Keyword", "KeywordList", "Text", "Int", "Double", "Bool", "Datetime"];

fn register(server: &Server, name: &str, type_name: &str) {
    match type_name {
        "KeywordList" => server.add_search_attribute(&SearchAttributeKey::keyword_list("").with_name(name)),
        "Text" => server.add_search_attribute(&SearchAttributeKey::text("").with_name(name)),
        "Int" => server.add_search_attribute(&SearchAttributeKey::int("").with_name(name)),
        "Double" => server.add_search_attribute(&SearchAttributeKey::double("").with_name(name)),
        "Bool" => server.add_search_attribute(&SearchAttributeKey::bool("").with_name(name)),
        "Datetime" => server.add_search_attribute(&SearchAttributeKey::datetime("").with_name(name)),
        _ => server.add_search_attribute(&SearchAttributeKey::keyword("").with_name(name)),
    }
}

/// Reads the command line; `None` if help was requested.
fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments { port: 7233, namespaces: Vec::new(), search_attributes: Vec::new() };
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || match value.clone().or_else(|| words.next()) {
            None => Err(format!("{name} needs a value, found none")),
            Some(value) if value.is_empty() => Err(format!("{name} needs a value, found an empty one")),
            Some(value) if value.starts_with("--") => Err(format!("{name} needs a value, found the option {value}")),
            Some(value) => Ok(value),
        };
        match name.as_str() {
            "--port" => {
                let value = value()?;
                arguments.port =
                    value.parse().map_err(|_| format!("--port expects a number up to 65535, found {value:?}"))?;
            }
            "--namespace" => arguments.namespaces.push(value()?),
            "--search-attribute" => {
                let value = value()?;
                let known = value.split_once('=').filter(|(name, kind)| !name.is_empty() && TYPES.contains(kind));
                let (name, kind) = known.ok_or_else(|| {
                    format!("--search-attribute expects NAME=TYPE with a type of {}, found {value:?}", TYPES.join(", "))
                })?;
                arguments.search_attributes.push((name.to_owned(), kind.to_owned()));
            }
            "--help" | "-h" => return Ok(None),
            other => {
                return Err(format!("unknown argument {other:?}; expected --port, --namespace or --search-attribute"));
            }
        }
    }
    Ok(Some(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Option<Arguments>, String> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn arguments_are_read() {
        assert_eq!(parsed(&[]), Ok(Some(Arguments { port: 7233, namespaces: vec![], search_attributes: vec![] })));
        let all = Arguments {
            port: 0,
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            search_attributes: vec![("Place".to_owned(), "Keyword".to_owned()), ("Items".to_owned(), "Int".to_owned())],
        };
        let words = ["--port", "0", "--namespace=a", "--namespace", "b"];
        let attributes = ["--search-attribute", "Place=Keyword", "--search-attribute=Items=Int"];
        assert_eq!(parsed(&[&words[..], &attributes].concat()), Ok(Some(all)));
        let text = "--search-attribute expects NAME=TYPE with a type of Keyword, KeywordList, Text, Int, Double, Bool, \
                    Datetime, found \"Place\"";
        assert_eq!(parsed(&["--search-attribute", "Place"]), Err(text.to_owned()));
        assert_eq!(parsed(&["--help"]), Ok(None));
        assert_eq!(parsed(&["--port"]), Err("--port needs a value, found none".to_owned()));
        let text = "--namespace needs a value, found the option --port";
        assert_eq!(parsed(&["--namespace", "--port", "0"]), Err(text.to_owned()));
        assert_eq!(parsed(&["--namespace="]), Err("--namespace needs a value, found an empty one".to_owned()));
        assert_eq!(parsed(&["--port", "x"]), Err("--port expects a number up to 65535, found \"x\"".to_owned()));
        assert_eq!(
            parsed(&["--prot", "1"]),
            Err("unknown argument \"--prot\"; expected --port, --namespace or --search-attribute".to_owned())
        );
    }
}
