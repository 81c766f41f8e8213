package cache

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
)

// page makes a page of directory "d/": names that end in "/" are prefixes.
func page(ordered bool, names ...string) *remote.Page {
	p := &remote.Page{Ordered: ordered}
	for i, name := range names {
		if strings.HasSuffix(name, "/") && name != "" {
			p.Prefixes = append(p.Prefixes, "d/"+name)
			continue
		}
		p.Objects = append(p.Objects, remote.Object{Path: remote.Path{Bucket: "bucket", Key: "d/" + name}, Size: int64(i), ETag: remote.ETag("e-" + name)})
	}
	return p
}

func listingOf(pages ...*remote.Page) *listing {
	b := newListingBuilder("d", "d/", time.Now(), time.Minute)
	for _, p := range pages {
		b.add(p)
	}
	return b.finish()
}

func names(l *listing) []string {
	var all []string
	for _, e := range l.entries {
		if e.isDir {
			e.base += "/"
		}
		all = append(all, e.base)
	}
	return all
}

func TestListingShowsEachNameOnce(t *testing.T) {
	for _, c := range []struct {
		about  string
		pages  []*remote.Page
		want   []string
		hidden int
	}{
		{"sorted over pages", []*remote.Page{page(true, "b", "c"), page(true, "a", "d/")}, []string{"a", "b", "c", "d/"}, 0},
		{"twice over page borders", []*remote.Page{page(true, "a", "b", "d/"), page(true, "b", "d/", "e")}, []string{"a", "b", "d/", "e"}, 0},
		{"object beside a prefix", []*remote.Page{page(true, "a", "a/")}, []string{"a/", "a%{file}"}, 0},
		{"prefix before the object", []*remote.Page{page(true, "a/"), page(true, "a")}, []string{"a/", "a%{file}"}, 0},
		{"object beside a prefix of a long name", []*remote.Page{page(true, "a", strings.Repeat("n", 250), strings.Repeat("n", 250)+"/")}, []string{"a", strings.Repeat("n", 250) + "/"}, 1},
		{"no names", []*remote.Page{page(true, "/", "./", "../", ".", "..", "nul\x00", "bad\xff", "%{}", "%{}/", strings.Repeat("n", MaxBase+1), strings.Repeat("n", MaxBase+2), "ok")},
			[]string{"%{..}/", "%{..}%{file}", "%{.}/", "%{.}%{file}", "%{25}{}/", "%{25}{}%{file}", "%{}/", "bad%{ff}", strings.Repeat("n", 251) + "%{+}/", "nul%{00}", "ok"}, 0},
		{"as long as a name can be", []*remote.Page{page(true, strings.Repeat("n", MaxBase), "한글", "...")},
			[]string{"...", strings.Repeat("n", MaxBase), "한글"}, 0},
		{"nothing", []*remote.Page{page(true)}, nil, 0},
	} {
		l := listingOf(c.pages...)
		if !slices.Equal(names(l), c.want) || l.hidden != c.hidden {
			t.Errorf("%s: got %q, hidden %d; want %q, hidden %d", c.about, names(l), l.hidden, c.want, c.hidden)
		}
		for _, e := range l.entries {
			if got, ok := l.find(e.base); !ok || got != e {
				t.Errorf("%s: find %q: %+v %v", c.about, e.base, got, ok)
			}
		}
		if _, ok := l.find("absent"); ok {
			t.Errorf("%s: found what is not there", c.about)
		}
	}
}

func TestListingKeepsTheMarkerApart(t *testing.T) {
	l := listingOf(page(true, "", "a"))
	if l.marker == nil || l.marker.Path.Key != "d/" {
		t.Fatalf("marker %+v", l.marker)
	}
	if !slices.Equal(names(l), []string{"a"}) {
		t.Errorf("names %q", names(l))
	}
}

func TestUnorderedPagesProveNoAbsence(t *testing.T) {
	if l := listingOf(page(true, "a"), page(false, "c", "b"), page(true, "d")); l.ordered {
		t.Error("a listing with a page out of order counts as ordered")
	}
	if l := listingOf(page(true, "a"), page(true, "b")); !l.ordered {
		t.Error("an ordered listing counts as unordered")
	}
}
