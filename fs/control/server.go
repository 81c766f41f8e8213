package control

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// Options says what a Server serves.
type Options struct {
	Cache  *cache.Cache // must be set
	Mount  *fs.Mount    // nil: a directory without a mount
	About  Status       // the server adds what changes, and its PID
	Logger *slog.Logger // default: discards
}

// Server answers other processes. A nil Server answers nobody.
type Server struct {
	cache *cache.Cache
	mount *fs.Mount // nil: none
	about Status
	log   *slog.Logger
	http  http.Server

	cancel  context.CancelFunc // ends all requests
	drained chan struct{}      // closed by Close

	mu      sync.Mutex
	end     context.CancelCauseFunc // guarded by mu, as the next; not nil while the mount ends: ends its last uploads
	overdue int                     // requests whose time for the end of the mount is over
}

// start serves the socket at path. A mount does without one when there is no
// path or it cannot be made, which the log then says.
func start(path string, o Options) *Server {
	if path == "" {
		return nil
	}
	l, err := Listen(path)
	if err != nil {
		o.Logger.Warn("ncloudfs sync and pending cannot reach this mount, and umount will not wait for its uploads", "err", err)
		return nil
	}
	return Serve(l, o)
}

// Serve answers on l until Close.
func Serve(l net.Listener, o Options) *Server {
	o.About.PID = os.Getpid()
	s := &Server{cache: o.Cache, mount: o.Mount, about: o.About, drained: make(chan struct{}),
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.http = http.Server{
		Handler:           checkPeer(s.routes()),
		ReadHeaderTimeout: 5 * time.Second, // a local client has its request ready
		ConnContext:       withPeer,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := s.http.Serve(l); err != http.ErrServerClosed {
			s.log.Error("the control socket answers no more", "err", err)
		}
	}()
	return s
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.getStatus)
	mux.HandleFunc("GET /v1/pending", s.getPending)
	mux.HandleFunc("GET /v1/pending/export", s.export)
	mux.HandleFunc("POST /v1/pending/retry", s.retry)
	mux.HandleFunc("POST /v1/pending/discard", s.discard)
	mux.HandleFunc("POST /v1/sync", s.sync)
	mux.HandleFunc("POST /v1/drain", s.drain)
	return mux
}

// farewell is how long clients have to take the last lines of their answers.
const farewell = time.Second

// Close gives every request its last line and ends the server. What is not in
// the bucket by now will not be: the Cache is closed after it.
func (s *Server) Close() {
	if s == nil {
		return
	}
	close(s.drained)
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // a client that reads no more
	}
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) {
	status := s.about
	status.State, status.Backlog, status.Memory = StateMounted, s.cache.Backlog(), s.cache.Usage()
	status.ACLsLost, status.Escaped, status.Renames = s.cache.ACLsLost(), s.cache.Escaped(), s.cache.Renames()
	if s.mount != nil {
		status.Nodes = s.mount.Nodes()
	}
	s.mu.Lock()
	if s.end != nil {
		status.State = StateDraining
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, status)
}

// answer writes v as JSON. A client that is gone does not mind.
func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, code int, err error) {
	answer(w, code, failure{Error: brief(err)})
}

// failure is the answer to a request that cannot be carried out.
type failure struct {
	Error string `json:"error"`
}
