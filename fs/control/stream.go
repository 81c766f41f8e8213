package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"ncloudfs/cache"
)

const (
	// progressEvery is how often a change of the backlog is told.
	progressEvery = 200 * time.Millisecond

	// heartbeat is how often it is told without a change.
	heartbeat = time.Second

	// lineTime is how long a client may leave a line unread before its wait is
	// given up.
	lineTime = 10 * time.Second
)

// Line is one line of the answer to a POST. The last has Done or Error.
type Line struct {
	Backlog *cache.Backlog `json:"backlog,omitempty"`
	Done    bool           `json:"done,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// stream answers with the backlog for as long as work takes, then with how it
// ended. work's context ends with the request.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, work func(context.Context) error) {
	ended := make(chan error, 1)
	go func() { ended <- s.guarded(r.Context(), work) }()
	lines := lineWriter{json.NewEncoder(w), http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/jsonl")
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	told := s.cache.Backlog()
	toldAt := time.Now()
	err := lines.write(Line{Backlog: &told})
	for err == nil {
		select {
		case failed := <-ended:
			_ = lines.write(s.lastLine(failed)) // a client that is gone does not mind
			return
		case now := <-tick.C:
			if b := s.cache.Backlog(); b != told || now.Sub(toldAt) >= heartbeat {
				told, toldAt = b, now
				err = lines.write(Line{Backlog: &b})
			}
		}
	}
}

func (s *Server) lastLine(err error) Line {
	if err == nil {
		return Line{Done: true}
	}
	left := s.cache.Backlog()
	return Line{Error: brief(err), Backlog: &left}
}

// guarded is work, or the error of its panic: the mount lives on.
func (s *Server) guarded(ctx context.Context, work func(context.Context) error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.log.Error("internal error in a request to the control socket", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			err = errors.New("internal error: the log has more")
		}
	}()
	if err = work(ctx); err != nil && errors.Is(err, context.Cause(ctx)) {
		err = errEnded // or the client is gone, and does not read it
	}
	return err
}

// lineWriter writes lines that are sent at once.
type lineWriter struct {
	json *json.Encoder
	conn *http.ResponseController
}

func (l lineWriter) write(v Line) error {
	return errors.Join(l.conn.SetWriteDeadline(time.Now().Add(lineTime)), l.json.Encode(v), l.conn.Flush())
}

// briefErrors is how many of many errors are told.
const briefErrors = 3

// brief is an error in one line, of moderate length where it is many.
func brief(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if more := len(lines) - briefErrors; more > 0 {
		lines = append(lines[:briefErrors], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}
