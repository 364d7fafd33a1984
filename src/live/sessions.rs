//! Keeps what the clients of stores need between the requests of a run, such as a login.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The sessions of one run. Each kind of store has a type of its own, and names that no other kind uses.
#[derive(Default)]
pub struct SessionCache(RefCell<BTreeMap<String, Rc<dyn Any>>>);

impl SessionCache {
    /// The session of this name; `None` if there is none of this type.
    pub fn find<T: 'static>(&self, name: &str) -> Option<Rc<T>> {
        let kept = self.0.borrow().get(name).cloned();
        kept?.downcast().ok()
    }

    /// Keeps a session in the place of the former one.
    pub fn keep<T: 'static>(&self, name: String, session: T) -> Rc<T> {
        let session = Rc::new(session);
        self.0.borrow_mut().insert(name, session.clone());
        session
    }
}
