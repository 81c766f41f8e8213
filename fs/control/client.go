package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// A daemon that has stopped, or hangs, is given up after five seconds: each
// request is accompanied by a look at the status.
const (
	lookEvery = 2 * time.Second
	lookTime  = 3 * time.Second
)

// errGone: nobody listens; the daemon has ended.
var errGone = errors.New("the process is gone")

// Client asks a daemon.
type Client struct {
	http http.Client
	pid  int
}

// Dial makes a client of a daemon, and of no other that takes its place.
func Dial(d fs.Daemon) *Client { return dial(d.Socket(), d.PID) }

func dial(socket string, pid int) *Client {
	return &Client{pid: pid, http: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // a daemon need not wait for idle connections
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Status asks which mount answers and how it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.get(ctx, "/v1/status", &s)
}

// Pending asks for what the bucket lacks.
func (c *Client) Pending(ctx context.Context) ([]cache.Pending, error) {
	var a pendingAnswer
	return a.Pending, c.get(ctx, "/v1/pending", &a)
}

// Export copies the file of a pending change to w.
func (c *Client) Export(ctx context.Context, id string, w io.Writer) error {
	return c.do(ctx, http.MethodGet, "/v1/pending/export?id="+url.QueryEscape(id), nil, func(r *http.Response) error {
		if _, err := io.Copy(w, r.Body); err != nil {
			return err
		}
		if text := r.Trailer.Get(errorTrailer); text != "" {
			return errors.New(text)
		}
		return nil
	})
}

// Retry uploads the changes with these ids now, or all; see cache.Cache.Retry.
func (c *Client) Retry(ctx context.Context, ids []string, tell func(cache.Backlog)) error {
	return reasonOf(c.post(ctx, "/v1/pending/retry", changesRequest{ids}, tell))
}

// Discard gives up the changes with these ids.
func (c *Client) Discard(ctx context.Context, ids []string) error {
	return reasonOf(c.post(ctx, "/v1/pending/discard", changesRequest{ids}, func(cache.Backlog) {}))
}

// reasonOf is the error without the backlog, most of which is not what was
// asked for.
func reasonOf(err error) error {
	if u, ok := errors.AsType[*Unfinished](err); ok {
		return errors.New(u.Reason)
	}
	return err
}

// Sync waits until all that was closed is in the bucket, and tells how much
// is not. An *Unfinished says what cannot be.
func (c *Client) Sync(ctx context.Context, tell func(cache.Backlog)) error {
	return c.post(ctx, "/v1/sync", nil, tell)
}

// Drain follows the end of the mount, and lets it take no longer than most. It
// is heard once tell is called. An *Unfinished says what is left.
func (c *Client) Drain(ctx context.Context, most time.Duration, tell func(cache.Backlog)) error {
	return c.post(ctx, "/v1/drain", drainRequest{Duration(most)}, tell)
}

func (c *Client) get(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodGet, path, nil, func(r *http.Response) error {
		return json.NewDecoder(r.Body).Decode(v)
	})
}

// post tells what the answer's lines say. Without its last line the daemon has
// ended.
func (c *Client) post(ctx context.Context, path string, ask any, tell func(cache.Backlog)) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, body, func(r *http.Response) error {
		for lines := json.NewDecoder(r.Body); ; {
			var l Line
			err := lines.Decode(&l)
			switch {
			case err != nil:
				return errGone
			case l.Error != "":
				return &Unfinished{Reason: l.Error, Backlog: *cmp.Or(l.Backlog, &cache.Backlog{})}
			case l.Done:
				return nil
			case l.Backlog != nil:
				tell(*l.Backlog)
			}
		}
	})
}

// do sends a request and gives the answer to use.
func (c *Client) do(ctx context.Context, method, path string, body []byte, use func(*http.Response) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.watch(ctx, cancel)
	r, err := http.NewRequestWithContext(ctx, method, "http://ncloudfs"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set(processHeader, strconv.Itoa(c.pid))
	resp, err := c.http.Do(r)
	if err == nil {
		defer resp.Body.Close()
		if err = checkAnswer(resp); err == nil {
			err = use(resp)
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isGone(err):
		return fmt.Errorf("process %d: %w", c.pid, errGone)
	}
	return err
}

// watch gives a request up when the daemon answers nobody.
func (c *Client) watch(ctx context.Context, giveUp context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		if !c.isAlive(ctx) {
			giveUp(fmt.Errorf("process %d does not answer: it is stopped (kill -CONT %d lets it go on) or hangs", c.pid, c.pid))
			return
		}
	}
}

// isAlive reports any answer, as opposed to none.
func (c *Client) isAlive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://ncloudfs/v1/status", nil)
	if err != nil {
		return true
	}
	resp, err := c.http.Do(r)
	if err == nil {
		resp.Body.Close()
	}
	return !errors.Is(err, context.DeadlineExceeded)
}

func isGone(err error) bool {
	return errors.Is(err, errGone) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNRESET)
}

// checkAnswer returns the error that an answer is.
func checkAnswer(r *http.Response) error {
	switch r.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusGone:
		return errGone
	}
	var f failure
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("the daemon answers %s", r.Status)
	}
	return errors.New(f.Error)
}
