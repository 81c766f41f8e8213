package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ncloudfs/remote"
)

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// silent answers nothing until the request is given up.
func silent(_ int, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A request without an answer is given up and sent again, until the retry
// time is over: no later.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := scripted(t, silent, func(o *remote.Options) {
			o.ConnectTimeout, o.FirstByteTimeout, o.RetryTime = 5*time.Second, 20*time.Second, 100*time.Second
		})
		begin := time.Now()
		_, err := c.Head(t.Context(), remote.Path{Bucket: "b", Key: "k"})
		if d := time.Since(begin); !isTimeout(err) || d < 90*time.Second || d > 100*time.Second || *n < 3 {
			t.Errorf("%v after %v and %d attempts", err, d, *n)
		}
	})
}

func TestCancelWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, silent)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		_, err := c.Head(ctx, remote.Path{Bucket: "b", Key: "k"})
		if !errors.Is(err, context.Canceled) || isTimeout(err) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A body that moves takes as long as it takes; one that stands still for the
// stall timeout is given up.
func TestStalledSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := random(1, 100_000)
		c, n := scripted(t, func(n int, r *http.Request) (*http.Response, error) {
			for i := 0; ; i++ {
				if n == 0 && i == 3 {
					return silent(n, r)
				}
				time.Sleep(20 * time.Second) // slow, but moving: 200 s in all
				if _, err := r.Body.Read(make([]byte, 10_000)); err == io.EOF {
					return answer(r, 200, "", "ETag", `"`+string(md5Of(content))+`"`), nil
				} else if err != nil {
					return nil, err
				}
			}
		}, func(o *remote.Options) {
			o.ConnectTimeout, o.FirstByteTimeout, o.StallTimeout = time.Second, 20*time.Second, 30*time.Second
		})
		r, size := reader(content)
		begin := time.Now()
		if _, err := c.Put(t.Context(), remote.Path{Bucket: "b", Key: "k"}, r, size, remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		equal(t, "attempts", *n, 2)
		if d := time.Since(begin); d < 300*time.Second || d > 320*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// slowBody delivers a byte per pause, and then nothing.
type slowBody struct {
	ctx   context.Context
	pause time.Duration
	bytes int
}

// Read waits, and in the end only for the context.
func (b *slowBody) Read(p []byte) (int, error) {
	if b.bytes == 0 {
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	time.Sleep(b.pause)
	b.bytes--
	p[0] = 'x'
	return 1, nil
}

// Close does nothing.
func (b *slowBody) Close() error { return nil }

// The clock runs only while a Read waits: a reader may take its time.
func TestStalledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
			resp := described(r, strings.Repeat("x", 10))
			resp.Body = &slowBody{ctx: r.Context(), pause: 20 * time.Second, bytes: 5}
			return resp, nil
		}, func(o *remote.Options) { o.StallTimeout = 30 * time.Second })
		body, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = body.Close() }()
		for range 5 {
			time.Sleep(time.Hour)
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		if _, err := body.Read(make([]byte, 1)); !isTimeout(err) || time.Since(begin) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A body that ends early is an error of Read, never an end of file.
func TestShortBody(t *testing.T) {
	c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
		resp := described(r, "0123456789")
		resp.Body = io.NopCloser(strings.NewReader("01234"))
		return resp, nil
	})
	body, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if string(got) != "01234" || err != io.ErrUnexpectedEOF {
		t.Errorf("%q %v", got, err)
	}
}

// What is not the range that was asked for is never delivered.
func TestWrongRangeIsAnError(t *testing.T) {
	for what, edit := range map[string]func(*http.Response){
		"the whole object": func(*http.Response) {},
		"another offset": func(r *http.Response) {
			r.StatusCode = 206
			r.Header.Set("Content-Range", "bytes 4-8/100")
			r.Header.Set("Content-Length", "5")
		},
		"a shorter range": func(r *http.Response) {
			r.StatusCode = 206
			r.Header.Set("Content-Range", "bytes 5-8/100")
			r.Header.Set("Content-Length", "4")
		},
		"another length": func(r *http.Response) {
			r.StatusCode = 206
			r.Header.Set("Content-Range", "bytes 5-9/100")
		},
		"no total": func(r *http.Response) {
			r.StatusCode = 206
			r.Header.Set("Content-Range", "bytes 5-9/*")
		},
		"another version": func(r *http.Response) {
			r.StatusCode = 206
			r.Header.Set("Content-Range", "bytes 5-9/100")
			r.Header.Set("Content-Length", "5")
			r.Header.Set("ETag", `"e2"`)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := scripted(t, func(_ int, r *http.Request) (*http.Response, error) {
				resp := described(r, strings.Repeat("x", 100))
				edit(resp)
				return resp, nil
			})
			body, err := c.Get(t.Context(), remote.Path{Bucket: "b", Key: "k"}, remote.GetOptions{Offset: 5, Length: 5, IfMatch: "e1"})
			if err == nil {
				t.Errorf("%s: delivered %d bytes", what, body.Length)
			}
			equal(t, what+": ErrChanged", errors.Is(err, remote.ErrChanged), what == "another version")
		})
	}
}
