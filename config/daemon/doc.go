// Package daemon is how the process runs as the user asked: in the background
// or not, with its log where someone will look for it.
//
// A mount goes to the background by running the program again. The child
// mounts, tells its parent through a pipe that the mount answers or why it
// does not, and only then leaves the parent's session. The order matters:
// under systemd's automount the kernel lets only the process group of mount(8)
// through to the directory, and a child that had left it would wait for
// itself.
package daemon
