package test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"ncloudfs/cache"
	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// powerTest is one run of programs on a mount, of which everything is known
// that its stage directory and its bucket went through.
type powerTest struct {
	disk    *disk
	s       *store
	server  *emulator.Server
	options []string
	writers []*powerWriter
	working sync.WaitGroup
	noting  sync.Mutex // held while a state of the bucket is noted, so that they are in order
	start   int        // events before the programs were ready
}

// powerWriter is a program whose ledger of every moment is kept.
type powerWriter struct {
	*killWriter
	ledgers []ledgerAt
}

// ledgerAt is a ledger since so many events of the disk.
type ledgerAt struct {
	events int
	*ledger
}

// at returns the ledger after so many events.
func (w *powerWriter) at(events int) *ledger {
	var last *ledger
	for _, l := range w.ledgers {
		if l.events <= events {
			last = l.ledger
		}
	}
	return last
}

func newPowerTest(t *testing.T, options []string, writers int) *powerTest {
	t.Helper()
	p := &powerTest{disk: newDisk(t), options: options}
	var err error
	p.server, err = emulator.New(emulator.Options{Accounts: []emulator.Account{emulatortest.Alice()}})
	ok(t, err)
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() {
		server.Close()
		for _, e := range p.disk.all() {
			if e.kind == eventBucket {
				_ = e.bucket.Close() // it is in memory
			}
		}
	})
	p.s = newStore(t, server.URL, "data")
	for id := range writers {
		p.s.put(t, fmt.Sprintf("w%d/", id), "")
		w := &powerWriter{killWriter: newKillWriter(id, len(options) > 0)}
		w.powerLoss, w.small = true, true
		w.noted = func() { w.ledgers = append(w.ledgers, ledgerAt{p.disk.length(), w.clone()}) }
		w.note()
		p.writers = append(p.writers, w)
	}
	p.start = p.disk.length()
	return p
}

// serve serves the bucket and notes each change of it among the disk's events.
func (p *powerTest) serve(w http.ResponseWriter, r *http.Request) {
	p.server.ServeHTTP(w, r)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return
	}
	p.noting.Lock()
	defer p.noting.Unlock()
	bucket, err := p.server.Fork()
	if err != nil {
		panic(err) // it is in memory
	}
	p.disk.add(diskEvent{kind: eventBucket, bucket: bucket})
}

// recover takes up what a power loss has left, and compares.
func (p *powerTest) recover(t *testing.T, left *diskState, bucket *emulator.Server, moment string, events int) {
	t.Helper()
	fork, err := bucket.Fork()
	ok(t, err)
	server := httptest.NewServer(fork)
	defer func() {
		server.Close()
		ok(t, fork.Close())
	}()
	s := &store{endpoint: p.s.endpoint, bucket: "data", client: clientAt(t, p.s.endpoint, server.Listener.Addr())}
	dir, err := os.MkdirTemp(t.TempDir(), "")
	ok(t, err)
	left.write(t, dir)
	var log bytes.Buffer
	c, err := cache.Open(t.Context(), cache.Options{Client: s.client, Bucket: s.bucket, StageDir: dir, Boot: "another",
		LateTime: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ok(t, err)
	if err := c.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	ok(t, c.Close())
	for _, w := range p.writers {
		w.at(events).check(t, s.objects(t, fmt.Sprintf("w%d/", w.id)))
	}
	if t.Failed() {
		t.Fatalf("power lost after %s; the log of the recovery:\n%s", moment, log.String())
	}
	ok(t, os.RemoveAll(dir))
}

// clientAt returns a client of a server that is somewhere else than its
// endpoint says: what a journal says of another endpoint is not taken up.
func clientAt(t testing.TB, endpoint string, addr net.Addr) *remote.Client {
	t.Helper()
	alice := emulatortest.Alice()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := remote.New(remote.Options{Endpoint: endpoint, Region: "kr", Transport: transport, RetryTime: 10 * time.Second,
		Credentials: keysOf(alice)})
	ok(t, err)
	return client
}
