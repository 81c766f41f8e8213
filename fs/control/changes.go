package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"context"

	"ncloudfs/cache"
)

// maxRequest is the longest body of a request, in bytes: some 500,000 ids.
const maxRequest = 16 << 20

// changesRequest is the body of a request about some changes.
type changesRequest struct {
	IDs []string `json:"ids,omitempty"`
}

// pendingAnswer is the answer to GET /v1/pending.
type pendingAnswer struct {
	Pending []cache.Pending `json:"pending"`
}

// read decodes the body of a request; without one v stays as it is. It answers
// a client that it cannot understand.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil || err == io.EOF {
		return true
	}
	refuse(w, http.StatusBadRequest, fmt.Errorf("request body: %w", err))
	return false
}

func (s *Server) getPending(w http.ResponseWriter, _ *http.Request) {
	pending := s.cache.Pending()
	if pending == nil {
		pending = []cache.Pending{} // [] in JSON
	}
	answer(w, http.StatusOK, pendingAnswer{pending})
}

func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	var ask changesRequest
	if read(w, r, &ask) {
		s.stream(w, r, func(ctx context.Context) error { return s.cache.Retry(ctx, ask.IDs...) })
	}
}

func (s *Server) discard(w http.ResponseWriter, r *http.Request) {
	var ask changesRequest
	if !read(w, r, &ask) {
		return
	}
	if len(ask.IDs) == 0 {
		refuse(w, http.StatusBadRequest, errors.New("name the ids of what is to be discarded"))
		return
	}
	s.stream(w, r, func(ctx context.Context) error { return s.cache.Discard(ctx, ask.IDs...) })
}

func (s *Server) sync(w http.ResponseWriter, r *http.Request) {
	if read(w, r, &struct{}{}) {
		s.stream(w, r, s.cache.Sync)
	}
}

// errorTrailer says after an export why it is not whole.
const errorTrailer = "Ncloudfs-Error"

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", errorTrailer)
	w.Header().Set("Content-Type", "application/octet-stream")
	body := &countingWriter{w: w}
	err := s.guarded(r.Context(), func(ctx context.Context) error {
		return s.cache.Export(ctx, r.URL.Query().Get("id"), body)
	})
	switch {
	case err == nil:
	case body.n > 0:
		w.Header().Set(errorTrailer, brief(err))
	default:
		w.Header().Del("Trailer")
		code := http.StatusInternalServerError
		if errors.Is(err, fs.ErrNotExist) {
			code = http.StatusNotFound
		}
		refuse(w, code, err)
	}
}

// countingWriter knows how much went through it.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
