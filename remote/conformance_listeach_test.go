package remote_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// namesToList are directories whose names are spread in different ways, and how
// many pages of 10 more than needed listing one may take.
func namesToList(r *rand.Rand) map[string]struct {
	names  []string
	excess int
} {
	all := map[string]struct {
		names  []string
		excess int
	}{}
	add := func(kind string, excess int, name func(i int) string) {
		e := all[kind]
		for i := range 400 {
			e.names = append(e.names, name(i))
		}
		slices.Sort(e.names)
		e.names, e.excess = slices.Compact(e.names), excess
		all[kind] = e
	}
	add("numbered", 20, func(i int) string { return fmt.Sprintf("f%07d", i) })
	add("hashes", 24, func(int) string { return fmt.Sprintf("%016x", r.Uint64()) })
	add("hangul", 40, func(i int) string { return string([]rune{rune('가' + 7*(i%97)), rune('가' + 13*i)}) })
	add("directories", 24, func(i int) string { return fmt.Sprintf("d%06d/file", i) })
	add("two clumps", 40, func(i int) string { return fmt.Sprintf("%s%05d", []string{"a", "z/long-name/"}[i%2], i) })
	return all
}

// TestListEachFindsWhatListFinds: and not with many more requests.
func TestListEachFindsWhatListFinds(t *testing.T) {
	seed := rand.Uint64()
	onEveryService(t, func(t *testing.T, s *service) {
		t.Logf("seed %d", seed)
		transport := &countingTransport{RoundTripper: s.transport}
		s.transport = transport
		c, bucket := s.alice(t), s.bucket(t)
		for kind, e := range namesToList(rand.New(rand.NewPCG(seed, 0))) {
			keys := make([]string, len(e.names))
			for i, name := range e.names {
				keys[i] = kind + "/" + name
			}
			fill(t, c, bucket, keys)
			for _, delimiter := range []string{"", "/"} {
				o := remote.ListOptions{Bucket: bucket, Prefix: kind + "/", Delimiter: delimiter, MaxKeys: 10}
				want, wantPrefixes, pages := listAll(t, c, o)
				var got, gotPrefixes []string
				before := transport.n.Load()
				err := c.ListEach(t.Context(), o, func(p *remote.Page) error {
					got = append(got, keysOf(p)...)
					gotPrefixes = append(gotPrefixes, p.Prefixes...)
					return nil
				})
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				equalSlices(t, kind+": keys", sorted(got), want)
				equalSlices(t, kind+": prefixes", sorted(gotPrefixes), wantPrefixes)
				if n := int(transport.n.Load() - before); n > pages+e.excess {
					t.Errorf("%s: %d requests for %d pages", kind, n, pages)
				}
			}
		}
	})
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func TestListEachEndsWithTheFirstError(t *testing.T) {
	onEmulator(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		var keys []string
		for i := range 200 {
			keys = append(keys, fmt.Sprintf("%04d", i))
		}
		fill(t, c, bucket, keys)
		enough := errors.New("enough")
		for last := range 8 {
			n := 0
			err := c.ListEach(t.Context(), remote.ListOptions{Bucket: bucket, MaxKeys: 10}, func(*remote.Page) error {
				if n++; n > last {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) || n != last+1 {
				t.Errorf("page %d: %v after %d", last, err, n)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := c.ListEach(ctx, remote.ListOptions{Bucket: bucket, MaxKeys: 10}, func(*remote.Page) error {
			if n++; n == 5 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := c.Put(t.Context(), remote.Path{Bucket: bucket, Key: "x"}, strings.NewReader(""), 0, remote.PutOptions{}); err != nil {
			t.Error(err)
		}
	})
}
