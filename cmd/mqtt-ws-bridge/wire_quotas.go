package main

import (
	"net/http"

	"mqtt-ws-bridge/bridge/quota"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
)

// quotaOptions are the limits of quotas.
func quotaOptions(q *config.Quotas) quota.Options {
	rates := func(messages int, bytes config.Size) quota.Rates {
		return quota.Rates{Messages: messages, Bytes: int(bytes)}
	}
	d, i, a, t := &q.Device, &q.Identity, &q.Address, &q.Total
	return quota.Options{
		Burst: q.Burst, AddressBits: q.IPv6Prefix,
		Session: quota.Limits{Up: rates(d.MessagesUp, d.BytesUp), Down: rates(d.MessagesDown, d.BytesDown)},
		Identity: quota.Limits{Connections: i.Connections, ConnectRate: i.ConnectRate,
			Up: rates(i.MessagesUp, i.BytesUp), Down: rates(i.MessagesDown, i.BytesDown)},
		Address: quota.Limits{Connections: a.Connections, ConnectRate: a.ConnectRate,
			Up: rates(a.MessagesUp, a.BytesUp), Down: rates(a.MessagesDown, a.BytesDown)},
		Total: quota.Limits{ConnectRate: t.ConnectRate,
			Up: rates(t.MessagesUp, t.BytesUp), Down: rates(t.MessagesDown, t.BytesDown)},
	}
}

func (p *process) prepareQuotas(c *current.Change, next *config.Config) error {
	c.OnCommit(func() {
		p.quotas.Replace(quotaOptions(&next.Quotas))
		p.gate.LimitAddresses(next.Quotas.Address.Connections, next.Quotas.IPv6Prefix)
	})
	return nil
}

// identity is what the handshake of a request has proved, "" if nothing.
func identity(r *http.Request) string {
	if v := attemptOf(r); v != nil && v.id != nil {
		return v.id.Subject
	}
	return ""
}
