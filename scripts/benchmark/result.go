package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// sample is one cell's measurement.
type sample struct {
	Workload  string         `json:"workload"`
	Contender string         `json:"contender"`
	Round     int            `json:"round"` // from 1
	Seconds   float64        `json:"seconds"`
	Stored    float64        `json:"stored,omitempty"` // seconds more until everything was in the bucket; write-back only
	Requests  map[string]int `json:"requests"`         // by operation
	In        int64          `json:"in"`               // bytes that the service received
	Out       int64          `json:"out"`              // and sent
	Memory    int64          `json:"memory"`           // peak of the mount's process, bytes
	CPU       float64        `json:"cpu"`              // its seconds
	Service   float64        `json:"service"`          // CPU seconds of the service, on the same cores
	Error     string         `json:"error,omitempty"`  // empty: it worked
}

func (s sample) requests() int {
	n := 0
	for _, k := range s.Requests {
		n += k
	}
	return n
}

// line is the sample for people who watch.
func (s sample) line() string {
	if s.Error != "" {
		return "failed: " + s.Error
	}
	return fmt.Sprintf("%s, %d requests, %s, %.2f CPU s", seconds(s.Seconds), s.requests(), mib(s.Memory), s.CPU)
}

// results are what a run leaves.
type results struct {
	Service service  `json:"service"`
	Sizes   sizes    `json:"sizes"`
	Rounds  int      `json:"rounds"`
	Bases   []base   `json:"bases"` // by round
	Samples []sample `json:"samples"`
}

// save writes the results by renaming.
func (r *results) save(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// of returns the samples of a workload.
func (r *results) of(workload string, contenders ...string) []sample {
	var all []sample
	for _, s := range r.Samples {
		if s.Workload == workload && slices.Contains(contenders, s.Contender) {
			all = append(all, s)
		}
	}
	return all
}

func (r *results) failed(workload, contender string) bool {
	return slices.ContainsFunc(r.of(workload, contender), func(s sample) bool { return s.Error != "" })
}

// slowTime is what a cell of another mount may take and be measured again: one
// that takes minutes would make a run so long that nobody starts it.
const slowTime = 20.0 // seconds

// isSlow reports whether a cell of another mount has taken longer than slowTime.
func (r *results) isSlow(workload, contender string) bool {
	return (contender == s3fs || contender == rclone) &&
		slices.ContainsFunc(r.of(workload, contender), func(s sample) bool { return s.Seconds+s.Stored > slowTime })
}

// base is what the goals of a workload are relative to, over all rounds.
func (r *results) base(workload string) base {
	var trip, sync []float64
	for _, b := range r.Bases {
		trip, sync = append(trip, b.Trip), append(sync, b.Sync)
	}
	return base{Trip: median(trip), Sync: median(sync),
		alone: r.figures(workload, client).Seconds.median, disk: r.figures(workload, disk).Seconds.median}
}

// spread is many measurements of one thing.
type spread struct{ median, min, max float64 }

func spreadOf(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	return spread{median(all), slices.Min(all), slices.Max(all)}
}

// median of none is 0.
func median(all []float64) float64 {
	n := len(all)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// figures sum up the samples of one cell of the table.
type figures struct {
	Seconds, Stored, CPU, Memory, Requests, Out spread
	n                                           int
	err                                         string // of one that failed
}

func (r *results) figures(workload, contender string) figures {
	var f figures
	var columns [6][]float64
	for _, s := range r.of(workload, contender) {
		if s.Error != "" {
			f.err = s.Error
			continue
		}
		f.n++
		for i, v := range []float64{s.Seconds, s.Stored, s.CPU, float64(s.Memory), float64(s.requests()), float64(s.Out)} {
			columns[i] = append(columns[i], v)
		}
	}
	for i, p := range []*spread{&f.Seconds, &f.Stored, &f.CPU, &f.Memory, &f.Requests, &f.Out} {
		*p = spreadOf(columns[i])
	}
	return f
}
