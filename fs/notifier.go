package fs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
)

// notifier tells the kernel to forget names and pages, from one goroutine: a
// notification waits for locks that the kernel holds during an operation, so
// that one sent from within can deadlock.
type notifier struct {
	mu    sync.Mutex
	queue []func() // guarded by mu
	wake  chan struct{}
}

func newNotifier() *notifier { return &notifier{wake: make(chan struct{}, 1)} }

// add queues a notification.
func (n *notifier) add(send func()) {
	n.mu.Lock()
	n.queue = append(n.queue, send)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run sends notifications until stop is closed.
func (n *notifier) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-n.wake:
		}
		n.mu.Lock()
		queue := n.queue
		n.queue = nil
		n.mu.Unlock()
		for _, send := range queue {
			send()
		}
	}
}

// expire drops all that is believed of a node's name, here and in the kernel.
func (m *Mount) expire(f *fileNode) {
	name, ok := f.name()
	if !ok {
		return
	}
	m.cache.Forget(name)
	base, parent := f.Parent()
	m.notifier.add(func() { forgetEntry(parent, base) })
}

// forgetEntry: a name that the kernel does not know (ENOENT) needs no
// forgetting.
func forgetEntry(parent *fs.Inode, base string) { _ = parent.NotifyEntry(base) }
