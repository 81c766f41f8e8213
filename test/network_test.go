package test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// network is what lies between a mount and its bucket.
type network struct{ proxy *toxiproxy.Proxy }

// through lets mounts of s, but not its client, reach the service through a
// network that is well at first.
func (s *store) through(t testing.TB) network {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // one toxic has a logger of its own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := network{toxiproxy.NewProxy(server, "bucket", "127.0.0.1:0", strings.TrimPrefix(s.endpoint, "http://"))}
	ok(t, n.proxy.Start())
	t.Cleanup(n.proxy.Stop)
	s.endpoint = "http://" + n.proxy.Listen
	return n
}

// suffer makes the network bad in both directions.
func (n network) suffer(t testing.TB, toxic, attributes string) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		_, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"name": %q, "type": %q, "stream": %q, "attributes": {%s}}`, toxic+" "+stream, toxic, stream, attributes)))
		ok(t, err)
	}
}

// heal also closes the connections that a toxic holds.
func (n network) heal(t testing.TB) { n.proxy.Toxics.ResetToxics(contextOf(t)) }

// TestBadNetwork: what is read and written in a bad network is right, or fails
// with EIO; what was written is shown meanwhile, and arrives afterwards.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	const allFails = "read small large"
	for name, bad := range map[string]struct {
		toxics map[string]string // with their attributes
		fails  string            // the calls that cannot succeed; all others must
	}{
		"slow": {map[string]string{"latency": `"latency": 100, "jitter": 50`, "bandwidth": `"rate": 20000`, // KB per second
			"slow_close": `"delay": 300`}, ""},
		"connections that die soon":    {map[string]string{"limit_data": `"bytes": 1500000`}, "large"}, // its parts have 8 MiB
		"connections that die at once": {map[string]string{"limit_data": `"bytes": 50`}, allFails},
		"no answers":                   {map[string]string{"timeout": `"timeout": 100`}, allFails},
		"resets":                       {map[string]string{"reset_peer": `"timeout": 0`}, allFails},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := startEmulator(t, emulator.Options{})
			content := random(5 << 20)
			s.put(t, "read", content)
			n := s.through(t)
			patience := "--retry-time=5m"
			if bad.fails != "" {
				patience = "--retry-time=2s"
			}
			m := s.mount(t, root(), patience)
			reader, small, large := m.start(t), m.start(t), m.start(t)
			_, err := reader.lstat("read")
			ok(t, err)
			for toxic, attributes := range bad.toxics {
				n.suffer(t, toxic, attributes)
			}
			var all sync.WaitGroup
			for what, call := range map[string]func() error{
				"read":  func() error { return readsAs(reader, content) },
				"small": func() error { return small.writeFile("small", "content") },
				"large": func() error { return writeLarge(large, "content") },
			} {
				all.Go(func() {
					if err := call(); strings.Contains(bad.fails, what) {
						fails(t, what, err, unix.EIO)
					} else if err != nil {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			all.Wait()
			for _, name := range []string{"small", "large"} {
				got, err := small.readFile(name)
				ok(t, err)
				equal(t, name+" in the mount", strings.TrimLeft(got, "\x00"), "content")
			}
			n.heal(t)
			ok(t, readsAs(reader, content))
			for name, want := range map[string]string{"small": "content", "large": strings.Repeat("\x00", inParts) + "content"} {
				eventually(t, name+" arrives", func() bool { return s.exists(t, name) })
				equal(t, name+" in the bucket", s.content(t, name), want)
			}
		})
	}
}

// readsAs reads the file "read", which must hold content.
func readsAs(p *program, content string) error {
	got, err := p.readFile("read")
	if err == nil && got != content {
		err = errors.New("wrong bytes were read")
	}
	return err
}

// inParts is the size of a file that goes in parts, in bytes.
const inParts = 17 << 20

// writeLarge writes the file "large": a hole and content.
func writeLarge(p *program, content string) error {
	f, err := p.open("large", unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return err
	}
	_, err = f.pwrite(content, inParts)
	return errors.Join(err, f.close())
}

// TestStalledReadIsAskedForAgain: a body that stands still holds up a program
// for seconds, and not until a timeout of the network.
func TestStalledReadIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	content := random(3 << 20)
	s.put(t, "file", content)
	m := s.mount(t, root())
	server.Faults().Add(emulator.Fault{Operation: opGet, Effect: emulator.StallBody, Bytes: 100_000, Count: 1})
	got, err := m.start(t).readFile("file")
	ok(t, err)
	equal(t, "what was read", got, content)
}
