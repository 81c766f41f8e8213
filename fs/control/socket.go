package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxPath is the longest name of a unix socket, in bytes (unix(7)).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Listen makes the socket, in place of one that a crash left. The caller owns
// the directory, and the name by its fs.Presence.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("control socket %s: its path has %d bytes, the system allows %d: set XDG_RUNTIME_DIR to a shorter one",
			path, len(path), maxPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // the directory has kept others out so far
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return l, nil
}

// peerKey is the context key of the user at the other end of a connection.
type peerKey struct{}

// withPeer notes who connects; nobody known is nobody allowed.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer.Uid)
}

// processHeader names the process that a request is meant for: a successor has
// a socket of the same name.
const processHeader = "Ncloudfs-Process"

// checkPeer refuses all but this process's user and root, and requests that are
// meant for another process.
func checkPeer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uid, known := r.Context().Value(peerKey{}).(uint32)
		meant := r.Header.Get(processHeader)
		switch {
		case !known || uid != 0 && uid != uint32(os.Geteuid()):
			refuse(w, http.StatusForbidden, fmt.Errorf("only user %d and root may steer this mount", os.Geteuid()))
		case meant != "" && meant != strconv.Itoa(os.Getpid()):
			refuse(w, http.StatusGone, fmt.Errorf("this is process %d", os.Getpid()))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
