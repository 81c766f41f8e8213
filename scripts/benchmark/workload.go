package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// sizes say how much a workload does. File sizes are in bytes.
type sizes struct {
	Large  int64 `json:"large"`  // of the file that is streamed
	Medium int64 `json:"medium"` // of one that is edited, or of four at once
	Files  int   `json:"files"`  // small files made, untarred
	Reads  int   `json:"reads"`  // small files or pieces read
	Names  int   `json:"names"`  // in a directory that is listed with attributes
	Many   int   `json:"many"`   // in one whose names are listed
	Dirs   int   `json:"dirs"`
	PerDir int   `json:"perDir"`
	Tree   int   `json:"tree"`   // objects of a directory that is renamed or removed
	Repo   int   `json:"repo"`   // files of a repository
	Idle   int   `json:"idle"`   // seconds
	IsFull bool  `json:"isFull"` // the goals' times are for these sizes
}

func fullSizes() sizes {
	return sizes{Large: 1 << 30, Medium: 256 << 20, Files: 300, Reads: 200, Names: 5000, Many: 100_000,
		Dirs: 200, PerDir: 50, Tree: 500, Repo: 2000, Idle: 10, IsFull: true}
}

func quickSizes() sizes {
	return sizes{Large: 64 << 20, Medium: 16 << 20, Files: 20, Reads: 20, Names: 1100, Many: 2500,
		Dirs: 20, PerDir: 10, Tree: 30, Repo: 50, Idle: 1}
}

const small = 4 << 10 // bytes of a small file

// object is one that is there before the workload begins.
type object struct {
	key  string
	size int64
}

func (o object) seed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(o.key)) // never fails
	return h.Sum64()
}

// place is where a step runs.
type place struct {
	Dir     string `json:"dir"`     // the mount, or a directory of the disk
	Scratch string `json:"scratch"` // a directory of the disk, for what is copied
	Sizes   sizes  `json:"sizes"`

	pattern *emulator.Pattern // of the objects' contents
}

// workload is one row of the table.
type workload struct {
	name  string
	title func(z sizes) string

	objects func(z sizes) []object // nil: the bucket is empty
	stores  func(z sizes) int64    // bytes, other than zeros, that the service gets to store; nil: few
	pages   func(z sizes) int64    // bytes of files that the kernel caches meanwhile; nil: few
	warm    func(p place) error    // done before, through the mount; nil: nothing
	run     func(p place) error    // what is measured

	// alone does the same by the client; nil: it cannot.
	alone func(ctx context.Context, c *remote.Client, z sizes) error

	keeps   bool     // the mount is warm and keeps what it read on the disk; only the kernel's pages are dropped
	remount bool     // a new mount, with what the last one kept, after warm
	hot     bool     // the kernel keeps its pages, too
	writes  bool     // --write-back matters
	options []string // of ncloudfs's mounts
	only    []string // contenders; nil: all
	goal    goal
}

// by reports whether the contender takes part.
func (w *workload) by(contender string) bool {
	switch {
	case contender == client && w.alone == nil, contender == writeBack && !w.writes:
		return false
	}
	return w.only == nil || slices.Contains(w.only, contender)
}

func workloads() []*workload {
	return slices.Concat(reading(), rereading(), writing(), listing(), changing(), programs())
}

func workloadOf(name string) (*workload, error) {
	for _, w := range workloads() {
		if w.name == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no workload %q", name)
}

// size says bytes as the table does.
func size(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func large(z sizes) int64  { return z.Large }
func medium(z sizes) int64 { return z.Medium }

// numbered makes n objects of one size below a prefix.
func numbered(prefix string, n int, size int64) []object {
	all := make([]object, n)
	for i := range all {
		all[i] = object{fmt.Sprintf("%sf%07d", prefix, i), size}
	}
	return all
}
