package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Server is the service. It is an http.Handler to be served at the root of an
// address; see emulatortest for a listening one. Safe for concurrent use.
type Server struct {
	o        Options
	accounts map[string]*Account // by access key
	members  map[string]*Account // by ID
	store    *store
	faults   *Faults
	tally    *tally
	pattern  func() *Pattern // of generated objects, made when it is first needed

	done      chan struct{} // closed by Close: waits end
	closeOnce sync.Once
}

// New makes a server, and with Options.Dir loads what is kept there. The
// directory is locked until Close: one server at a time.
func New(o Options) (*Server, error) {
	s := &Server{
		o:        o.withDefaults(),
		accounts: map[string]*Account{},
		members:  map[string]*Account{},
		faults:   newFaults(),
		pattern:  sync.OnceValue(NewPattern),
		done:     make(chan struct{}),
	}
	s.tally = &tally{record: s.o.Record}
	for _, a := range o.Accounts {
		if a.ID == "" || a.AccessKey == "" || a.SecretKey == "" {
			return nil, fmt.Errorf("emulator: account %q lacks an id or a key", a.ID)
		}
		if a.DisplayName == "" {
			a.DisplayName = a.ID
		}
		s.accounts[a.AccessKey] = &a
		s.members[a.ID] = &a
	}
	var err error
	if s.store, err = newStore(s.o); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	return s, nil
}

// Close ends stalls and delays and closes the store; requests are then
// answered with ServiceUnavailable. It does not wait for requests under way.
func (s *Server) Close() error {
	var err error
	s.closeOnce.Do(func() {
		err = s.store.close() // first: what a stall held back must find it closed
		close(s.done)
	})
	return err
}

// Faults are the rules by which requests go wrong.
func (s *Server) Faults() *Faults { return s.faults }

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := s.newRequest(w, hr)
	s.tally.begin(r.op)
	err := s.serve(r)
	if err != nil && !r.answer.wrote && !r.answer.gone {
		s.fail(r, err)
	}
	s.tally.end(r)
	s.o.Logger.Debug("request", "op", r.op, "bucket", r.bucket, "key", r.key,
		"status", r.answer.status, "id", r.id, "err", err)
	if r.answer.broken || (err != nil && r.answer.wrote && !r.answer.failed) {
		panic(http.ErrAbortHandler) // net/http's way to close the connection
	}
}

func (s *Server) serve(r *request) error {
	if err := r.misbehave(); err != nil {
		return err
	}
	if err := s.authenticate(r); err != nil {
		return err
	}
	s.allowOrigin(r)
	return s.dispatch(r)
}

// fail answers with err. A body that the client is sending without having
// asked first (Expect: 100-continue) is read and dropped up to a bound, or
// the closing connection could swallow the answer.
func (s *Server) fail(r *request, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		s.o.Logger.Error("request failed", "op", r.op, "id", r.id, "err", err)
		e = refuse("InternalError", "%v", err)
	}
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, 64<<20)
	}
	r.answer.failed = true
	e.send(r)
}

func (s *Server) dispatch(r *request) error {
	switch r.op {
	case OpListBuckets:
		return s.listBuckets(r)
	case OpCreateBucket:
		return s.createBucket(r)
	case OpHeadBucket:
		return s.headBucket(r)
	case OpDeleteBucket:
		return s.deleteBucket(r)
	case OpListObjects:
		return s.listObjects(r)
	case OpGetBucketACL:
		return s.getBucketACL(r)
	case OpPutBucketACL:
		return s.putBucketACL(r)
	case OpGetBucketCORS:
		return s.getCORS(r)
	case OpPutBucketCORS:
		return s.putCORS(r)
	case OpDeleteBucketCORS:
		return s.deleteCORS(r)
	case OpListMultipartUploads:
		return s.listUploads(r)
	case OpDeleteObjects:
		return s.deleteObjects(r)
	case OpOptions:
		return s.preflight(r)
	case OpMethodNotAllowed:
		return refuse("MethodNotAllowed", "no operation has this method")
	default:
		return s.dispatchObject(r)
	}
}

func (s *Server) dispatchObject(r *request) error {
	if len(r.key) > maxKey {
		return refuse("KeyTooLong", "the key is over %d bytes", maxKey)
	}
	switch r.op {
	case OpPutObject:
		return s.putObject(r)
	case OpCopyObject:
		return s.copyObject(r)
	case OpGetObject, OpHeadObject:
		return s.getObject(r)
	case OpDeleteObject:
		return s.deleteObject(r)
	case OpGetObjectACL:
		return s.getObjectACL(r)
	case OpPutObjectACL:
		return s.putObjectACL(r)
	case OpCreateMultipartUpload:
		return s.createUpload(r)
	case OpUploadPart:
		return s.uploadPart(r)
	case OpCompleteMultipartUpload:
		return s.completeUpload(r)
	case OpAbortMultipartUpload:
		return s.abortUpload(r)
	default:
		return refuse("NotImplemented", "the service does not offer this operation")
	}
}

// sleep waits for d, or until ctx or the server is done.
func (s *Server) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.done:
	}
}
