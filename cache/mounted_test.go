package cache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// mounted is a Cache over an emulated bucket, and another client of it.
type mounted struct {
	*Cache
	t      testing.TB
	server *emulatortest.Server
	other  *remote.Client
	ahead  *atomic.Int64 // by how many seconds the server's clock is ahead
	late   time.Duration // LateTime where open is not told another

	findings remote.Findings // about the server, for the next client
}

// mount opens a Cache over a bucket of its own. Close it at will; it ends with
// the test.
func mount(t testing.TB, o Options) *mounted {
	t.Helper()
	m := &mounted{t: t, ahead: new(atomic.Int64), late: cmp.Or(o.LateTime, 100*time.Millisecond)}
	m.server = emulatortest.Start(t, emulator.Options{Record: true, Clock: func() time.Time {
		return time.Now().Add(time.Duration(m.ahead.Load()) * time.Second)
	}})
	m.other = m.client()
	if err := m.other.MakeBucket(t.Context(), "bucket", ""); err != nil {
		t.Fatal(err)
	}
	if o.StageDir == "" {
		o.StageDir = t.TempDir()
	}
	m.Cache = m.open(o)
	m.server.ResetCounts()
	return m
}

func (m *mounted) client() *remote.Client {
	m.t.Helper()
	alice := emulatortest.Alice()
	client, err := remote.New(remote.Options{Endpoint: m.server.URL, Region: "kr-standard",
		Credentials: remote.Credentials{AccessKey: alice.AccessKey, SecretKey: remote.Secret(alice.SecretKey)}, Findings: m.findings})
	if err != nil {
		m.t.Fatal(err)
	}
	return client
}

// open makes another Cache on the same bucket.
func (m *mounted) open(o Options) *Cache {
	m.t.Helper()
	o.Client, o.Bucket = m.client(), "bucket"
	o.LateTime = cmp.Or(o.LateTime, m.late)
	c, err := Open(m.t.Context(), o)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	return c
}

// put stores an object as another client.
func (m *mounted) put(key string, body []byte, o ...remote.PutOptions) remote.Object {
	m.t.Helper()
	stored, err := m.other.Put(m.t.Context(), m.path(key), bytes.NewReader(body), int64(len(body)), append(o, remote.PutOptions{})[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return stored
}

// head describes an object as another client sees it; its ETag is empty when
// there is none.
func (m *mounted) head(key string) remote.Object {
	m.t.Helper()
	o, err := m.other.Head(m.t.Context(), m.path(key))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	return o
}

// get returns an object's bytes as another client sees them; nil when there is
// none.
func (m *mounted) get(key string) []byte {
	m.t.Helper()
	body, err := getAll(m.t.Context(), m.other, m.path(key))
	if err != nil {
		m.t.Fatal(err)
	}
	return body
}

func getAll(ctx context.Context, c *remote.Client, p remote.Path) ([]byte, error) {
	b, err := c.Get(ctx, p, remote.GetOptions{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer b.Close()
	all, err := io.ReadAll(b)
	if all == nil {
		all = []byte{}
	}
	return all, err
}

// checkObject compares an object with want; nil: there is none.
func (m *mounted) checkObject(key string, want []byte) {
	m.t.Helper()
	got := m.get(key)
	switch {
	case (got == nil) != (want == nil):
		m.t.Errorf("object %s: exists %v, want %v", key, got != nil, want != nil)
	case !bytes.Equal(got, want):
		m.t.Errorf("object %s: %d bytes that differ from the %d wanted, first at %d", key, len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// checkRequests compares what was asked since the last call of it.
func (m *mounted) checkRequests(what string, want map[string]int) {
	m.t.Helper()
	if got := m.server.Counts(); !maps.Equal(got, want) {
		m.t.Errorf("%s: requests %v, want %v", what, got, want)
	}
	m.server.ResetCounts()
}

// checkNoUploads fails when a multipart upload stays unfinished. One whose
// beginning was interrupted is aborted behind.
func (m *mounted) checkNoUploads() {
	m.t.Helper()
	eventually(m.t, "no unfinished upload", func() bool {
		for _, err := range m.other.Uploads(m.t.Context(), "bucket", "") {
			if err != nil {
				m.t.Error(err)
			}
			return false
		}
		return true
	})
}

// stat must succeed.
func (m *mounted) stat(n Name) Entry {
	m.t.Helper()
	e, err := m.Stat(m.t.Context(), n)
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

// ReadDir returns all names of a directory.
func (m *mounted) ReadDir(ctx context.Context, n Name) ([]DirEntry, error) {
	v, err := m.Cache.ReadDir(ctx, n)
	if err != nil {
		return nil, err
	}
	return v.all(), nil
}

func (v *DirView) all() []DirEntry {
	var all []DirEntry
	for i := range v.Len() {
		all = append(all, v.At(i))
	}
	return all
}

// edit opens a file, new or not, for writing.
func (m *mounted) edit(n Name) *Staged {
	m.t.Helper()
	return m.openFor(n, false)
}

// overwrite opens a file and drops its bytes.
func (m *mounted) overwrite(n Name) *Staged {
	m.t.Helper()
	return m.openFor(n, true)
}

func (m *mounted) openFor(n Name, truncate bool) *Staged {
	m.t.Helper()
	s, err := m.stageOf(m.t.Context(), n, truncate)
	for try := 1; try < 5 && errors.Is(err, remote.ErrChanged); try++ {
		s, err = m.stageOf(m.t.Context(), n, truncate) // as the kernel does
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *mounted) stageOf(ctx context.Context, n Name, truncate bool) (*Staged, error) {
	e, err := m.Stat(ctx, n)
	if err != nil {
		return nil, err
	}
	if e.Kind == File {
		if e, err = m.Describe(ctx, n, e); err != nil {
			return nil, err
		}
	}
	s, err := m.OpenStaged(n, StageOptions{Base: e, Truncate: truncate})
	if err == nil {
		s.awaitACL(ctx)
	}
	return s, err
}

// awaitACL waits for the look at the file's ACL that its opening began, so that
// requests can be counted from there on.
func (s *Staged) awaitACL(ctx context.Context) {
	s.mu.Lock()
	read := s.aclRead
	s.mu.Unlock()
	if read == nil {
		return
	}
	select {
	case <-read.done:
	case <-ctx.Done():
	}
}

// create makes a file with that content in the bucket, through the Cache.
func (m *mounted) create(n Name, body []byte) {
	m.t.Helper()
	s := m.overwrite(n)
	defer s.Release()
	m.write(s, body, 0)
	m.commit(s)
}

func (m *mounted) write(s *Staged, p []byte, off int64) {
	m.t.Helper()
	if n, err := s.WriteAt(p, off); err != nil || n != len(p) {
		m.t.Fatalf("write %d bytes at %d: %d, %v", len(p), off, n, err)
	}
}

func (m *mounted) commit(s *Staged) {
	m.t.Helper()
	if err := s.Commit(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// checkStaged compares all bytes of an open file.
func (m *mounted) checkStaged(s *Staged, want []byte) {
	m.t.Helper()
	got := make([]byte, len(want)+10)
	n, err := s.ReadAt(m.t.Context(), got, 0)
	if err != io.EOF || n != len(want) || !bytes.Equal(got[:n], want) {
		m.t.Errorf("file: %d bytes, %v, want %d, first difference at %d", n, err, len(want), firstDifference(got[:n], want))
	}
}

// dataFiles returns the paths of all data files of a stage.
func dataFiles(stage string) ([]string, error) { return filepath.Glob(stage + "/data/*") }

// checkStageEmpty waits until nothing is staged, and nothing reserved.
func (m *mounted) checkStageEmpty() {
	m.t.Helper()
	eventually(m.t, "the stage is empty", func() bool {
		m.stage.removeDoomedNow()
		left, err := dataFiles(m.stage.root.Name())
		return err == nil && len(left) == 0 && len(m.stage.Under("")) == 0
	})
	m.stage.mu.Lock()
	defer m.stage.mu.Unlock()
	if m.stage.used != 0 {
		m.t.Errorf("%d bytes of the stage's limit were not given back", m.stage.used)
	}
}

// checkConflictCopy makes sure that want is stored beside n, once.
func (m *mounted) checkConflictCopy(n Name, want []byte) {
	m.t.Helper()
	page, err := m.other.ListPage(m.t.Context(), remote.ListOptions{Bucket: "bucket", Prefix: m.keyOf(n) + ".conflict-"})
	if err != nil || len(page.Objects) != 1 {
		m.t.Fatalf("conflict copies of %q: %v, %v", n, page, err)
	}
	key := page.Objects[0].Path.Key
	m.checkObject(key, want)
	m.checkKind(Name(strings.TrimPrefix(key, m.prefix)), File)
}

// random returns n bytes that depend on seed.
func random(seed string, n int64) []byte {
	p := make([]byte, n)
	fillContent(p, remote.ETag(seed), 0)
	return p
}

// until waits for requests of an operation to have come.
func (m *mounted) until(op string, count int) {
	m.t.Helper()
	eventually(m.t, op+" came", func() bool { return m.server.Counts()[op] >= count })
}

// untilAllIsDone waits for the server to have done what it was asked for, late
// requests too.
func (m *mounted) untilAllIsDone() {
	m.t.Helper()
	eventually(m.t, "all requests are done", func() bool {
		asked := 0
		for _, n := range m.server.Counts() {
			asked += n
		}
		return asked == len(m.server.Log())
	})
}
