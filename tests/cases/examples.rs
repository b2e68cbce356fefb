//! The examples of the explanation pages.

/// One example: the roster, the files beside it, and the words behind its fence.
#[derive(Debug, Default)]
pub struct Example {
    pub text: String,
    pub files: Vec<(String, String)>,
    pub marks: Vec<String>,
}

/// The examples of a page, in order. The first is wrong, the second right.
pub fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut current = Example::default();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        let marks: Vec<String> = info.split(' ').skip(1).map(str::to_owned).collect();
        let file = marks.iter().find_map(|mark| mark.strip_prefix("file="));
        if let Some(file) = file {
            current.files.push((file.to_owned(), body.join("\n") + "\n"));
            continue;
        }
        assert_eq!(info.split(' ').next(), Some("kdl"), "an example is KDL: {info}");
        let mut text = body.join("\n") + "\n";
        if let Some(times) = marks.iter().find_map(|mark| mark.strip_prefix("repeat=")) {
            let last = format!("{}\n", body.last().unwrap());
            text += &last.repeat(times.parse().unwrap());
        }
        if marks.iter().any(|mark| mark == "canary") {
            text = text.replace("%CANARY%", &format!("{}{}", "ghp_", "c4".repeat(18)));
        }
        found.push(Example { text, marks, ..std::mem::take(&mut current) });
    }
    found
}

impl Example {
    /// Whether a word stands behind the fence.
    pub fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|found| found == mark)
    }
}
