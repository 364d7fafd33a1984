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
        let mut all = self.resources.iter().map(|(_, resource)| resource);
        all.find(|found| found.is_data == is_data && found.kind == kind && found.name == name)
    }
}

fn is_read_automatically(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    stem == "terraform.tfvars" || stem.ends_with(".auto.tfvars")
}
