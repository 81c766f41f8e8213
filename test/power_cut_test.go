package test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// rootNode is a disk's root directory.
const rootNode = 1

// diskState is what has reached a disk for certain, and what has perhaps.
type diskState struct {
	nodes   map[uint64]*nodeState
	pending []numbered // changes of names
	events  int
}

// numbered is an event and its place among all.
type numbered struct {
	diskEvent
	number int
}

// nodeState is a file or directory.
type nodeState struct {
	isDir   bool
	names   map[string]place
	data    []byte
	pending []diskEvent // changes of data
}

// place is what a name stands for, since which event.
type place struct {
	node   uint64 // 0: nothing
	number int
}

func newDiskState() *diskState {
	return &diskState{nodes: map[uint64]*nodeState{rootNode: {isDir: true, names: map[string]place{}}}}
}

// add takes an event in.
func (s *diskState) add(e diskEvent) {
	s.events++
	switch e.kind {
	case eventCreate:
		s.nodes[e.node] = &nodeState{isDir: e.isDir, names: map[string]place{}}
		s.pending = append(s.pending, numbered{e, s.events})
	case eventUnlink, eventRename:
		s.pending = append(s.pending, numbered{e, s.events})
	case eventWrite, eventTruncate, eventExtend:
		n := s.nodes[e.node]
		n.pending = append(n.pending, e)
	case eventSync:
		s.sync(e.node)
	}
}

// sync makes a file with its names, or the names in a directory, safe.
func (s *diskState) sync(id uint64) {
	n := s.nodes[id]
	for _, e := range n.pending {
		n.data = applyEvent(n.data, e)
	}
	n.pending = nil
	s.pending = slices.DeleteFunc(s.pending, func(e numbered) bool {
		concerned := e.node == id || n.isDir && (e.dir == id || e.kind == eventRename && e.toDir == id)
		if concerned {
			s.rename(e)
		}
		return concerned
	})
}

// rename carries out a change of names.
func (s *diskState) rename(e numbered) {
	set := func(dir uint64, name string, node uint64) {
		if names := s.nodes[dir].names; names[name].number < e.number {
			names[name] = place{node, e.number}
		}
	}
	switch e.kind {
	case eventCreate:
		set(e.dir, e.name, e.node)
	case eventUnlink:
		set(e.dir, e.name, 0)
	case eventRename:
		set(e.dir, e.name, 0)
		set(e.toDir, e.toName, e.node)
	}
}

func applyEvent(data []byte, e diskEvent) []byte {
	switch e.kind {
	case eventWrite:
		return applyWrite(data, e.data, e.offset)
	case eventTruncate:
		return resized(data, e.offset)
	case eventExtend:
		return resized(data, max(int64(len(data)), e.offset))
	}
	return data
}

// outcome says how much of what was not safe reaches the disk all the same.
type outcome int

const (
	nothingMore outcome = iota
	everything
	someOfIt
)

// after returns what is found after a power loss.
func (s *diskState) after(o outcome, r *rand.Rand) *diskState {
	left := newDiskState()
	for id, n := range s.nodes {
		c := &nodeState{isDir: n.isDir, names: map[string]place{}, data: slices.Clone(n.data)}
		for name, p := range n.names {
			c.names[name] = p
		}
		chance := float64(o)
		if o == someOfIt {
			chance = []float64{0, 0.5, 0.9, 1}[r.IntN(4)]
		}
		for _, e := range n.pending {
			c.data = applySome(c.data, e, chance, r)
		}
		left.nodes[id] = c
	}
	names := len(s.pending) * min(int(o), 1)
	if o == someOfIt {
		names = r.IntN(len(s.pending) + 1)
	}
	for _, e := range s.pending[:names] { // file systems keep the order of these
		left.rename(e)
	}
	return left
}

// sector is what a disk writes wholly or not at all.
const sector = 512

// applySome carries out an event, or a write in some of its sectors.
func applySome(data []byte, e diskEvent, chance float64, r *rand.Rand) []byte {
	if e.kind != eventWrite || chance == 1 {
		if r.Float64() < chance {
			data = applyEvent(data, e)
		}
		return data
	}
	for at := int64(0); at < int64(len(e.data)); {
		end := min(at+sector-(e.offset+at)%sector, int64(len(e.data)))
		if r.Float64() < chance {
			data = applyWrite(data, e.data[at:end], e.offset+at)
		}
		at = end
	}
	return data
}

// write makes the files in a directory of the tests' own.
func (s *diskState) write(t testing.TB, dir string) {
	t.Helper()
	s.writeNode(t, rootNode, dir)
}

func (s *diskState) writeNode(t testing.TB, id uint64, path string) {
	t.Helper()
	for name, p := range s.nodes[id].names {
		to := filepath.Join(path, name)
		switch n := s.nodes[p.node]; {
		case p.node == 0:
		case n.isDir:
			ok(t, os.Mkdir(to, 0o700))
			s.writeNode(t, p.node, to)
		default:
			ok(t, os.WriteFile(to, n.data, 0o600))
		}
	}
}
