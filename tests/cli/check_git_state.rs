//! Which files a check reads when variables name the repository, or Git keeps its state in an uncommon way.
