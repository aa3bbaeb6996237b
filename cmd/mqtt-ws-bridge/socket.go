package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"mqtt-ws-bridge/config"
)

// groupMode is the mode of a socket that is given to a group without saying more.
const groupMode = 0o660

// listen opens a listener, but a socket file that nobody listens on any more is no obstacle, and one whose mode or group is configured has
// them when it returns. Until then only the bridge's own user can connect to it, where the system lets a socket be born like that.
func listen(a config.Address, opening net.ListenConfig) (net.Listener, error) {
	restricted := a.Network == "unix" && (a.Mode != 0 || a.Group != "")
	if restricted {
		opening.Control = bornPrivate
	}
	l, err := opening.Listen(context.Background(), a.Network, a.Address)
	if a.Network == "unix" && errors.Is(err, syscall.EADDRINUSE) && removeStale(a.Address) {
		l, err = opening.Listen(context.Background(), a.Network, a.Address)
	}
	if err != nil || !restricted {
		return l, err
	}
	if err := share(a); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes the file of a socket if nobody listens there.
func removeStale(path string) bool {
	nc, err := net.Dial("unix", path)
	if err == nil {
		nc.Close()
		return false
	}
	info, statErr := os.Lstat(path) // a connection to an ordinary file is refused as well
	return errors.Is(err, syscall.ECONNREFUSED) && statErr == nil && info.Mode().Type() == os.ModeSocket && os.Remove(path) == nil
}

// share gives a socket its group and then its mode.
func share(a config.Address) error {
	if a.Group != "" {
		gid, err := groupID(a.Group)
		if err != nil {
			return err
		}
		if err := os.Chown(a.Address, -1, gid); err != nil {
			return fmt.Errorf("give the socket to group %s: %w; unless it is root, the bridge's user has to be a member (systemd: SupplementaryGroups=%s)",
				a.Group, err, a.Group)
		}
	}
	mode := a.Mode
	if mode == 0 {
		mode = groupMode
	}
	return os.Chmod(a.Address, mode)
}

// groupID finds a group by name or by number.
func groupID(group string) (int, error) {
	if gid, err := strconv.Atoi(group); err == nil && gid >= 0 {
		return gid, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("find the socket's group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}
