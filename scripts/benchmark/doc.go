// Benchmark runs the same workloads on ncloudfs, on other mounts of a bucket,
// by the S3 client alone and on the local disk, side by side on one machine,
// and compares the medians with the goals. scripts/bench builds and starts it.
//
// # A cell
//
// A cell is one workload of one contender in one round. Rounds are outermost,
// so that what else the machine does meets all contenders alike. Each cell has
// a process of its own for the emulated service, an empty mount in another, and
// a third for the workload itself, so that memory (VmHWM) and CPU seconds are
// the mount's alone. Before what is measured the kernel's caches are dropped, and
// memory is used and given back: the host of a virtual machine may have taken what
// was free, and would otherwise be what is measured.
// The contender "client" has no mount: the workload's own process is measured.
//
// # The service
//
// The emulator waits a latency before each answer and holds each connection to
// a bandwidth. Objects to be read are generated, written ones stay in its
// memory; it hashes what it receives, on the same cores. Requests and bytes are
// counted from the start of what is measured until none came for a while.
// results.json has the service's CPU seconds as well: with many of them, a row
// says more about the emulator than about who was measured.
//
// # What is compared
//
// s3fs and rclone (mount, full cache, uploads as soon as a file is closed) run
// with their defaults otherwise. rclone's close returns before the object is in
// the bucket, as does that of ncloudfs --write-back; for the latter the time
// until everything is there is measured as well. The disk promises nothing at
// all: nothing is fsynced.
package main
