// Package fs is the file system: FUSE nodes and handles over package cache,
// the errno of every error, mount and unmount.
//
// # Vocabulary
//
// A node (go-fuse: Inode) is one version of one object, a directory, or a
// symbolic link. A handle is one open(2). A name is a node's place in the
// mount; it is read off the node tree that go-fuse keeps, and a node that was
// unlinked has none.
//
// # One read
//
// fileNode.Open pins the node to a version (ESTALE when handles hold another;
// the kernel's retry then looks up a new node); handle.Read asks the reader of
// that version, or the staged file when there is one. What is whole in the disk
// cache the kernel reads by itself (passthrough.go).
//
// # One write
//
// The first open for writing stages the file (cache.Staged), and every handle
// of the node then reads and writes that, or the kernel by itself writes a new
// one (passthrough.go). handle.Flush and Fsync return when the bucket has it.
//
// # Interrupts
//
// FUSE reports every signal to a caller as an interrupt, and Go programs
// interrupt themselves all the time. Operations here go on; only SIGKILL ends
// the caller's wait (operation.go).
//
// # Locks
//
// fileNode.mu comes before every lock of package cache and is never held
// across a request, nor are two of them together. Notifications to the kernel
// go out from one goroutine (notifier.go), never inside an operation.
package fs
