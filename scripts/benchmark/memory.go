package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// roleMemory is a process that uses memory and ends. On a virtual machine whose
// host takes back what is free, as one with a balloon does two seconds later,
// pages that nobody has used for a while cost some 2 s a GiB when they are used
// again: more than all else that a mount does with them. What such a process has
// just used is there for all contenders alike.
const roleMemory = "memory"

// spareMemory is how many bytes are made present beside the pages of files: for
// the mount, the service, and their sockets.
const spareMemory = 256 << 20

// useMemory touches as many bytes as stdin says.
func useMemory(stdin io.Reader) error {
	var size int64
	if err := json.NewDecoder(stdin).Decode(&size); err != nil {
		return err
	}
	p, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("map %d bytes: %w", size, err)
	}
	_ = unix.Madvise(p, unix.MADV_HUGEPAGE) // only quicker
	for i := 0; i < len(p); i += 4096 {
		p[i] = 1
	}
	return nil // its end gives all back
}

// presentMemory makes the kernel's next free pages such that the host has memory for.
func presentMemory(ctx context.Context, size int64) error {
	c, err := startChild(ctx, childOptions{args: []string{self, roleMemory}, pipes: true})
	if err != nil {
		return err
	}
	err = json.NewEncoder(c.stdin).Encode(size)
	if ended := c.wait(stepTime); ended != nil {
		return ended
	}
	return err
}
