//! Puts the files of one folder together, as Terraform does: a root module, or a module that others call.

use std::collections::HashMap;

use hcl_edit::expr::Expression;

use super::parse::{ConfigFile, Resource, is_variable_values};

/// The configuration of one folder.
#[derive(Debug, Default)]
pub struct ConfigFolder {
    locals: HashMap<String, Expression>,
    variables: HashMap<String, VariableValue>,
    /// Each with the file that it is in.
    pub resources: Vec<(String, Resource)>,
    /// The place of each in `resources`, by whether it is data, its kind and its name.
    places: HashMap<(bool, String, String), usize>,
}

/// What the files say about the value of a variable.
#[derive(Debug)]
pub enum VariableValue {
    /// It has no default: the caller of the module or the command line gives the value.
    Unset,
    Default(Expression),
    /// `terraform.tfvars` or an `*.auto.tfvars`, which Terraform reads by itself.
    Assigned(Expression),
    /// A file that is only used when the command line names it.
    Ambiguous,
}

impl ConfigFolder {
    /// Puts files together. They come in the order of their names, in which Terraform reads them.
    pub fn from_files(files: Vec<(String, ConfigFile)>) -> Self {
        let mut folder = Self::default();
        let mut values = Vec::new();
        for (path, file) in files {
            folder.locals.extend(file.locals);
            for (name, default) in file.variables {
                let value = default.map_or(VariableValue::Unset, VariableValue::Default);
                folder.variables.insert(name, value);
            }
            folder.resources.extend(file.resources.into_iter().map(|resource| (path.clone(), resource)));
            if is_variable_values(&path) {
                values.push((path, file.assignments));
            }
        }
        for (index, (_, Resource { is_data, kind, name, .. })) in folder.resources.iter().enumerate() {
            // Terraform refuses a second one of the same name.
            folder.places.entry((*is_data, kind.clone(), name.clone())).or_insert(index);
        }
        for (path, assignments) in values {
            folder.assign_variables(&path, assignments);
        }
        folder
    }

    fn assign_variables(&mut self, path: &str, assignments: Vec<(String, Expression)>) {
        let is_automatic = is_read_automatically(path);
        for (name, value) in assignments {
            // A value for a variable that is not declared is an error of Terraform, and nothing reads it.
            if let Some(known) = self.variables.get_mut(&name) {
                let value =
                    if is_automatic { VariableValue::Assigned(value) } else { VariableValue::Ambiguous };
                if !matches!(known, VariableValue::Ambiguous) {
                    *known = value;
                }
            }
        }
    }

    pub fn local(&self, name: &str) -> Option<&Expression> {
        self.locals.get(name)
    }

    pub fn variable(&self, name: &str) -> Option<&VariableValue> {
        self.variables.get(name)
    }

    pub fn find_resource(&self, is_data: bool, kind: &str, name: &str) -> Option<&Resource> {
        let place = self.places.get(&(is_data, kind.to_owned(), name.to_owned()))?;
        self.resources.get(*place).map(|(_, resource)| resource)
    }
}

fn is_read_automatically(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    stem == "terraform.tfvars" || stem.ends_with(".auto.tfvars")
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_config;
    use super::*;

    #[test]
    fn a_resource_is_found_by_its_mode_kind_and_name() {
        let text = "data \"aws_iam_user\" \"a\" {}\nresource \"aws_iam_user\" \"a\" {}\nresource \"aws_iam_access_key\" \"a\" {}\nresource \"aws_iam_user\" \"a\" {}\n";
        let config = parse_config("x.tf", text.as_bytes()).unwrap();
        let folder = ConfigFolder::from_files(vec![("x.tf".to_owned(), config)]);
        let line = |is_data, kind, name| folder.find_resource(is_data, kind, name).map(|found| found.at.line);
        assert_eq!(line(true, "aws_iam_user", "a"), Some(1));
        assert_eq!(line(false, "aws_iam_user", "a"), Some(2), "the first of two");
        assert_eq!(line(false, "aws_iam_access_key", "a"), Some(3));
        assert_eq!((line(true, "aws_iam_access_key", "a"), line(false, "aws_iam_user", "b")), (None, None));
    }
}
