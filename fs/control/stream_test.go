package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"ncloudfs/cache"
)

// working returns a client of a server every request to which is work.
func working(t *testing.T, work func(context.Context) error) *Client {
	t.Helper()
	s, _ := serve(t)
	path := socket(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.stream(w, r, work) })}
	go h.Serve(l)
	t.Cleanup(func() { h.Close() })
	return dial(path, os.Getpid())
}

func TestAnswersTellHowWorkGoesAndEnds(t *testing.T) {
	t.Parallel()
	many := errors.Join(errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d"), errors.New("e"))
	for name, c := range map[string]struct {
		work func(context.Context) error
		want string
	}{
		"well":           {func(context.Context) error { return nil }, ""},
		"badly":          {func(context.Context) error { return errors.New("refused") }, "refused"},
		"badly, often":   {func(context.Context) error { return many }, "a; b; c; and 2 more"},
		"with a panic":   {func(context.Context) error { panic("oh") }, "internal error: the log has more"},
		"after a moment": {func(context.Context) error { time.Sleep(heartbeat + 2*progressEvery); return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := 0
			err := working(t, c.work).Sync(t.Context(), func(cache.Backlog) { told++ })
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if least := map[bool]int{true: 2, false: 1}[name == "after a moment"]; told < least || told > 3 {
				t.Errorf("told %d times", told)
			}
		})
	}
}

func TestWorkEndsWithItsClient(t *testing.T) {
	t.Parallel()
	ended := make(chan error)
	c := working(t, func(ctx context.Context) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Sync(ctx, func(cache.Backlog) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("goes on")
	}
}

func TestDrainFollowsTheEndOfTheMount(t *testing.T) {
	t.Parallel()
	s, c := serve(t)
	heard, ended := make(chan struct{}, 100), make(chan error)
	go func() { ended <- c.Drain(t.Context(), time.Hour, func(cache.Backlog) { heard <- struct{}{} }) }()
	<-heard
	ending, cancel := s.Ending(t.Context(), time.Hour)
	defer cancel()
	if ending.Err() != nil {
		t.Error("its time is over already")
	}
	began := time.Now()
	s.Close()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > farewell {
		t.Errorf("the end took %s", took)
	}
}

func TestClientsDoNotKeepTheDaemon(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, Options{Cache: idle(t)})
	silent, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	deaf, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	fmt.Fprint(deaf, "POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	if _, err := deaf.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 2*farewell {
		t.Errorf("took %s", took)
	}
}

func TestDrainBoundsTheLastUploads(t *testing.T) {
	t.Parallel()
	for name, beginFirst := range map[string]bool{"while they run": true, "before the mount is gone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := serve(t)
			var ending context.Context
			begin := func() {
				var cancel context.CancelFunc
				ending, cancel = s.Ending(t.Context(), time.Hour)
				t.Cleanup(cancel)
			}
			if beginFirst {
				begin()
			}
			go c.Drain(t.Context(), time.Millisecond, func(cache.Backlog) {})
			if !beginFirst {
				for s.isOverdue() == 0 {
					time.Sleep(time.Millisecond)
				}
				begin()
			}
			select {
			case <-ending.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("they go on")
			}
			if context.Cause(ending) != errTime {
				t.Errorf("cause: %v", context.Cause(ending))
			}
		})
	}
}

func (s *Server) isOverdue() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overdue
}

func TestDrainThatIsGivenUpBoundsNothing(t *testing.T) {
	t.Parallel()
	s, c := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Drain(ctx, time.Millisecond, func(cache.Backlog) {}) }()
	for s.isOverdue() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	for s.isOverdue() != 0 {
		time.Sleep(time.Millisecond)
	}
	ending, stop := s.Ending(t.Context(), time.Hour)
	defer stop()
	if ending.Err() != nil {
		t.Errorf("the end has no time: %v", context.Cause(ending))
	}
}
