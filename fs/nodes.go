package fs

import (
	"container/list"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
)

const (
	// nodeCost is about what a node takes of memory, in bytes: ours, go-fuse's,
	// and the name.
	nodeCost = 1 << 10

	defaultNodes = 20 << 20 // bytes

	pruneBatch = 256 // nodes in one notification

	// Pauses before trims. The first lets the answer arrive that the nodes are for:
	// one may have thousands.
	firstPause = 100 * time.Millisecond
	lastPause  = time.Minute
)

// nodes are those that the kernel knows. It keeps them until it needs the memory
// itself, which it has perhaps more of than we; so beyond a limit it is asked to
// forget those used longest ago. It keeps what is in use.
type nodes struct {
	limit int
	timer *time.Timer // of the next trim

	mu     sync.Mutex    // leaf
	order  list.List     // of *node, used longest ago first; guarded by mu, like all below
	trimAt int           // how many there must be for a trim soon
	isDue  bool          // it comes soon
	pause  time.Duration // until the next one otherwise
}

// newNodes limits nodes to so many bytes. It calls trim when there are more.
func newNodes(limit int64, trim func()) *nodes {
	n := int(limit / nodeCost)
	ns := &nodes{limit: n, trimAt: n, timer: time.AfterFunc(time.Hour, trim)}
	ns.timer.Stop()
	return ns
}

// use notes that the kernel has looked n up, or opened it.
func (ns *nodes) use(n *node) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n.place == nil {
		n.place = ns.order.PushBack(n)
	} else {
		ns.order.MoveToBack(n.place)
	}
	if ns.order.Len() > ns.trimAt && !ns.isDue {
		ns.isDue, ns.pause = true, firstPause
		ns.timer.Reset(firstPause)
	}
}

// forget notes that the kernel does not know n any more.
func (ns *nodes) forget(n *node) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n.place != nil {
		ns.order.Remove(n.place)
		n.place = nil
	}
	ns.trimAt = max(ns.limit, min(ns.trimAt, ns.order.Len()+ns.limit/8))
}

// excess returns the nodes to be forgotten, those used longest ago first. As the
// kernel may keep them, those that are left come later, unless there is an eighth
// of the limit more.
func (ns *nodes) excess() []*fs.Inode {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.isDue, ns.trimAt = false, max(ns.limit, ns.order.Len()+ns.limit/8)
	if ns.order.Len() <= ns.limit {
		return nil
	}
	ns.pause = min(2*ns.pause, lastPause)
	ns.timer.Reset(ns.pause)
	var all []*fs.Inode
	for range ns.order.Len() - ns.limit*7/8 {
		oldest := ns.order.Front()
		ns.order.MoveToBack(oldest)
		all = append(all, oldest.Value.(*node).EmbeddedInode())
	}
	return all
}

// count returns how many nodes the kernel knows.
func (ns *nodes) count() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.order.Len()
}

// Nodes returns how many nodes the kernel knows.
func (m *Mount) Nodes() int { return m.nodes.count() }

// used implements child.
func (n *node) used() { n.m.nodes.use(n) }

var _ = (fs.NodeOnForgetter)((*node)(nil))

// OnForget implements fs.NodeOnForgetter.
func (n *node) OnForget() { n.m.nodes.forget(n) }

// trim asks the kernel to forget what exceeds the limit.
func (m *Mount) trim() {
	for all := m.nodes.excess(); len(all) > 0; {
		batch := all[:min(len(all), pruneBatch)]
		all = all[len(batch):]
		if batch[0].NotifyPrune(batch) == syscall.ENOSYS { // before Linux 6.18
			for _, n := range batch {
				expireNode(n)
			}
		}
	}
}

// expireNode has the kernel forget the name of a node, and with it the node, if
// nobody has it open. A directory may be where a process is, which would see it
// removed.
func expireNode(n *fs.Inode) {
	base, parent := n.Parent()
	if f, isFile := n.Operations().(*fileNode); parent == nil || n.IsDir() || isFile && f.isOpen() {
		return
	}
	forgetEntry(parent, base)
}
