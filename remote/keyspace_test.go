package remote

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestKeysBetweenAndAfterAreThere(t *testing.T) {
	names := rapid.StringOf(rapid.SampledFrom([]rune("0129abz-_.한글힣/")))
	rapid.Check(t, func(t *rapid.T) {
		s := keyspace{prefix: "p/", delimiter: rapid.SampledFrom([]string{"", "/"}).Draw(t, "delimiter")}
		for _, name := range rapid.SliceOfN(names, 0, 8).Draw(t, "learnt") {
			s.learn("p/" + name)
		}
		if !slices.IsSorted(s.runes) {
			t.Fatalf("runes %q", s.runes)
		}
		low, high := "p/"+names.Draw(t, "low"), "p/"+names.Draw(t, "high")
		if key := s.between(low, high); key != "" && (key <= low || key >= high) {
			t.Errorf("%q between %q and %q", key, low, high)
		}
		if key := s.after(low, high, 4); key != "" && key <= high {
			t.Errorf("%q after %q", key, high)
		}
	})
}

func TestKeyInTheMiddle(t *testing.T) {
	s := keyspace{prefix: "p/"}
	for _, key := range []string{"p/0123456789"} {
		s.learn(key)
	}
	for _, c := range []struct{ low, high, want string }{
		{"p/100", "p/300", "p/2"},
		{"p/0000", "p/0010", "p/0005"},
		{"p/a", "p/a", ""},
		{"p/5", "p/4", ""},
	} {
		got := s.between(c.low, c.high)
		if len(got) > len(c.want) && c.want != "" {
			got = got[:len(c.want)]
		}
		if got != c.want {
			t.Errorf("between %q and %q: %q, want %q", c.low, c.high, got, c.want)
		}
	}
	if got := s.after("p/0100", "p/0200", 3); got != "p/0500"[:len(got)] {
		t.Errorf("after: %q", got)
	}
}
