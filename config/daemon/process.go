package daemon

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Signals returns two contexts: the first SIGINT or SIGTERM ends stop, which
// asks to finish, and the second ends force, which asks to finish at once.
func Signals() (stop, force context.Context) {
	stop, cancelStop := context.WithCancel(context.Background())
	force, cancelForce := context.WithCancel(context.Background())
	seen := make(chan os.Signal, 2)
	signal.Notify(seen, unix.SIGINT, unix.SIGTERM)
	signal.Ignore(unix.SIGHUP) // a closed terminal is no reason to unmount
	go func() {
		<-seen
		cancelStop()
		<-seen
		cancelForce()
	}()
	return stop, force
}

// NoCore keeps keys out of core dumps.
func NoCore() error {
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// overhead is what the program needs besides its cache: about 45 MiB at 32
// streams, measured as resident memory less the window.
const overhead = 48 << 20

// LimitMemory makes the garbage collector keep the heap within what there is on
// it: half of the cache's bytes, an eighth more for nodes, and the program's own
// need. GOMEMLIMIT, where set, is believed instead.
func LimitMemory(cache int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cache*5/8 + overhead)
	}
}

// Version is set, which the linker puts in, else what the build knows of itself.
func Version(set string) string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case set != "":
		return set
	case !ok || info.Main.Version == "":
		return "(unknown)"
	}
	return info.Main.Version
}
