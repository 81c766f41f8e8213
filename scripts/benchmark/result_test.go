package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}} {
		if got := median(c.all); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.all, got, c.want)
		}
	}
}

// measured is two rounds of two workloads of three contenders, of which one fails.
func measured() *results {
	r := &results{Sizes: fullSizes(), Rounds: 2, Bases: []base{{Trip: 0.02, Sync: 0.001}, {Trip: 0.02, Sync: 0.001}}}
	for round := range 2 {
		n := float64(round)
		r.Samples = append(r.Samples,
			sample{Workload: "read-dd", Contender: ncloudfs, Seconds: 1 + n/5, Memory: 100 << 20, Requests: map[string]int{"GetObject": 500, "HeadObject": 1}},
			sample{Workload: "read-dd", Contender: client, Seconds: 0.5},
			sample{Workload: "create", Contender: ncloudfs, Seconds: 6, Requests: map[string]int{"PutObject": 300, "ListObjects": 3}},
			sample{Workload: "create", Contender: writeBack, Seconds: 0.3, Stored: 0.5})
	}
	r.Samples = append(r.Samples, sample{Workload: "read-dd", Contender: s3fs, Error: "killed\nby | hand"})
	return r
}

func named(t *testing.T, names ...string) []*workload {
	t.Helper()
	var all []*workload
	for _, name := range names {
		w, err := workloadOf(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	return all
}

func TestTableSaysWhatWasMetAndWhatFailed(t *testing.T) {
	got := measured().table(named(t, "read-dd", "create"), contenderNames())
	for _, want := range []string{
		"| read 1 GiB, dd bs=1M | ≤ 0.85 s, ≤ 200 MiB | 1.10 s [1.00 s–1.20 s] ✗ |  | 0.50 s [0.50 s–0.50 s] | – |",
		"≤ 6.90 s, write-back ≤ 0.70 s, + 1.00 s, ≤ 302 requests | 6.00 s [6.00 s–6.00 s] ✗ | 0.30 s [0.30 s–0.30 s] + 0.50 s ✓ |",
		"- read 1 GiB, dd bs=1M, s3fs: killed by ¦ hand\n",
		"ncloudfs 501, client 0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestChartIsWellFormed(t *testing.T) {
	svg := measured().chart(named(t, "read-dd", "create", "untar"), contenderNames())
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars in\n%s", bars, svg)
	}
}

func TestChecksLookAtCountsAndFailuresOnly(t *testing.T) {
	r := measured()
	b := &bench{sizes: r.Sizes, workloads: named(t, "read-dd", "create")}
	if err := b.judge(r); !errors.Is(err, errCheck) || !strings.Contains(err.Error(), "303 requests, over 302") {
		t.Errorf("303 requests for 300 files: %v", err)
	}
	b.workloads = named(t, "read-dd") // too slow, and s3fs failed
	if err := b.judge(r); err != nil {
		t.Error(err)
	}
	r.Samples = append(r.Samples, sample{Workload: "read-dd", Contender: ncloudfs, Error: "broken"})
	if err := b.judge(r); !errors.Is(err, errCheck) {
		t.Errorf("a failed workload: %v", err)
	}
}

func TestResultsAreSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "results.json")
	want := measured()
	if err := want.save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got results
	if err := json.Unmarshal(b, &got); err != nil || len(got.Samples) != len(want.Samples) || got.Sizes != want.Sizes {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestRefreshReplacesWhatStandsBetweenTheMarks(t *testing.T) {
	got, err := between("before\n"+beginMark+"old\n"+endMark+"after\n", "new\n")
	if want := "before\n" + beginMark + "new\n" + endMark + "after\n"; got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	text := illustrated("table\n", map[string]string{"b.svg": "", "a.svg": ""})
	if want := "![a](scripts/charts/a.svg)\n\n![b](scripts/charts/b.svg)\n\ntable\n"; text != want {
		t.Errorf("%q", text)
	}
	if _, err := between("no marks", "new"); err == nil {
		t.Error("no marks, no error")
	}
}

func TestSpentReadsProc(t *testing.T) {
	s, err := spentBy(os.Getpid())
	if err != nil || s.Memory < 1<<20 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parseSpent("12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0", "Name: x\nVmHWM:\t  2048 kB\n")
	if want := (spent{CPU: 2, Memory: 2 << 20}); s != want || err != nil {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
}

func TestEveryWorkloadIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range workloads() {
		if seen[w.name] || w.title(fullSizes()) == "" || w.run == nil {
			t.Errorf("%q is there twice, or lacks something", w.name)
		}
		seen[w.name] = true
	}
	for chart, names := range chartGroups() {
		for _, name := range names {
			if !seen[name] {
				t.Errorf("chart %s shows %q, which is no workload", chart, name)
			}
		}
	}
}
