package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
)

// bucket is an object store behind an http.RoundTripper: it answers ranged
// GETs of objects whose bytes follow from their ETag, and misbehaves on demand.
type bucket struct {
	// fault is asked about each request before it is answered; nil: none.
	fault func(get) fault
	pace  func(ctx context.Context, bytes int64) // waits for what a body delivers; nil: at once

	mu      sync.Mutex
	objects map[string]Version // by URL path
	gets    []get
}

// get is one request that came.
type get struct {
	number  int // from 1
	path    string
	span    span
	ifMatch string
}

// fault is what goes wrong with one answer. The zero value: nothing.
type fault struct {
	silent bool        // no header until the request is cancelled
	cut    int64       // the body breaks off after that many bytes
	stall  int64       // the body stops after that many bytes until the request is cancelled
	etag   remote.ETag // the answer claims to be of this version
	total  int64       // and the object to have this size
}

func newBucket(versions ...Version) *bucket {
	b := &bucket{objects: map[string]Version{}}
	for _, v := range versions {
		b.objects["/"+v.Path.String()] = v
	}
	return b
}

// version names an object of the test bucket.
func version(key string, size int64) Version {
	return Version{Path: remote.Path{Bucket: "bucket", Key: key}, ETag: remote.ETag("e1-" + key), Size: size}
}

// fetcher returns a Fetcher on b that ends with the test.
func (b *bucket) fetcher(t testing.TB, o FetcherOptions, limit int64) *Fetcher {
	t.Helper()
	client, err := remote.New(remote.Options{Endpoint: "http://store.test", Region: "test",
		Credentials: remote.Credentials{AccessKey: "key", SecretKey: "secret"}, Transport: b})
	if err != nil {
		t.Fatal(err)
	}
	o.Client, o.Blocks = client, NewBlocks(BlocksOptions{Limit: limit})
	f := NewFetcher(t.Context(), o)
	t.Cleanup(f.Close)
	return f
}

func (b *bucket) put(v Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects["/"+v.Path.String()] = v
}

func (b *bucket) remove(v Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, "/"+v.Path.String())
}

// seen returns the requests so far.
func (b *bucket) seen() []get {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]get(nil), b.gets...)
}

// RoundTrip implements http.RoundTripper.
func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	v, ok := b.objects[r.URL.Path]
	g := get{number: len(b.gets) + 1, path: r.URL.Path, span: span{0, v.Size}, ifMatch: strings.Trim(r.Header.Get("If-Match"), `"`)}
	if from, to, isRange := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"); isRange {
		g.span.low, _ = strconv.ParseInt(from, 10, 64)
		g.span.high, _ = strconv.ParseInt(to, 10, 64)
		g.span.high++
	}
	b.gets = append(b.gets, g)
	b.mu.Unlock()

	var f fault
	if b.fault != nil {
		f = b.fault(g)
	}
	switch {
	case r.Method != http.MethodGet:
		return nil, fmt.Errorf("unexpected %s", r.Method)
	case f.silent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case !ok:
		return refuse(r, http.StatusNotFound, "NoSuchKey"), nil
	case g.ifMatch != string(v.ETag):
		return refuse(r, http.StatusPreconditionFailed, "PreconditionFailed"), nil
	}
	return b.answer(r, v, g, f), nil
}

func (b *bucket) answer(r *http.Request, v Version, g get, f fault) *http.Response {
	body := &objectBody{ctx: r.Context(), etag: v.ETag, off: g.span.low, left: g.span.high - g.span.low, fault: f, pace: b.pace}
	if f.etag != "" {
		v.ETag = f.etag
	}
	if f.total != 0 {
		v.Size = f.total
	}
	h := http.Header{}
	h.Set("ETag", `"`+string(v.ETag)+`"`)
	h.Set("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
	h.Set("Content-Length", strconv.FormatInt(body.left, 10))
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", g.span.low, g.span.high-1, v.Size))
	return &http.Response{StatusCode: http.StatusPartialContent, Status: "206 Partial Content", Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: body, ContentLength: body.left, Request: r}
}

func refuse(r *http.Request, status int, code string) *http.Response {
	doc := "<Error><Code>" + code + "</Code></Error>"
	return &http.Response{StatusCode: status, Status: strconv.Itoa(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(doc)),
		ContentLength: int64(len(doc)), Request: r}
}

// objectBody delivers a range of an object.
type objectBody struct {
	ctx       context.Context
	etag      remote.ETag
	off, left int64
	sent      int64
	fault     fault
	pace      func(context.Context, int64)
}

var errCut = errors.New("connection reset")

// Read delivers at most 96 KiB, so that blocks arrive in pieces.
func (b *objectBody) Read(p []byte) (int, error) {
	n := min(int64(len(p)), b.left, 96<<10)
	if b.fault.cut > 0 {
		n = min(n, b.fault.cut-b.sent)
	}
	if b.fault.stall > 0 {
		n = min(n, b.fault.stall-b.sent)
	}
	switch {
	case b.ctx.Err() != nil:
		return 0, b.ctx.Err()
	case b.left == 0:
		return 0, io.EOF
	case n == 0 && b.fault.cut > 0:
		return 0, errCut
	case n == 0:
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	if b.pace != nil {
		b.pace(b.ctx, n)
	}
	fillContent(p[:n], b.etag, b.off)
	b.off, b.left, b.sent = b.off+n, b.left-n, b.sent+n
	return int(n), nil
}

// Close implements io.Closer.
func (b *objectBody) Close() error { return nil }

// noise is what the contents of objects are cut from. Its length is a prime
// above every size that reads and blocks have, so that no two places of an
// object look alike.
var noise = sync.OnceValue(func() []byte {
	p := make([]byte, 4_194_319)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
})

// fillContent writes what the version with that ETag holds at off.
func fillContent(p []byte, etag remote.ETag, off int64) {
	at := off
	for i := range len(etag) {
		at += int64(etag[i]) * (1000 + 77*int64(i))
	}
	source := noise()
	for len(p) > 0 {
		n := copy(p, source[at%int64(len(source)):])
		p, at = p[n:], at+int64(n)
	}
}

// contentOf returns all bytes of v.
func contentOf(v Version) []byte {
	data := make([]byte, v.Size)
	fillContent(data, v.ETag, 0)
	return data
}

// checkView compares v with the bytes of the object at off, and releases it.
func checkView(v *View, of Version, off int64, n int) error {
	defer v.Release()
	if want := int(max(min(int64(n), of.Size-off), 0)); v.Size() != want {
		return fmt.Errorf("%d bytes at %d: got %d, want %d", n, off, v.Size(), want)
	}
	got, want := make([]byte, v.Size()), make([]byte, v.Size())
	if copied := v.CopyTo(got); copied != len(got) {
		return fmt.Errorf("copied %d of %d bytes", copied, len(got))
	}
	fillContent(want, of.ETag, off)
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes at %d of %s differ", n, off, of.Path)
	}
	return nil
}

// mustRead reads and compares.
func mustRead(t testing.TB, r *Reader, off int64, n int) {
	t.Helper()
	v, err := r.Read(t.Context(), off, n)
	if err != nil {
		t.Fatalf("read %d bytes at %d: %v", n, off, err)
	}
	if err := checkView(v, r.version, off, n); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !isTrue(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
