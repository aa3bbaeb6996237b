"""The driver of Paho Python (1.6, as Debian has it). Speaks the commands and events of ../../protocol.go."""

import json
import platform
import sys
import threading
from urllib.parse import urlparse

import paho.mqtt
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TIMEOUT = 20
writing = threading.Lock()


def emit(**event):
    line = json.dumps(event)
    with writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Waiter:
    """Waits for the callbacks of one kind; each leaves its arguments under its packet's id."""

    def __init__(self):
        self.came = threading.Condition()
        self.results = {}

    def put(self, key, value):
        with self.came:
            self.results[key] = value
            self.came.notify_all()

    def take(self, key):
        with self.came:
            if not self.came.wait_for(lambda: key in self.results, TIMEOUT):
                raise TimeoutError("no callback")
            return self.results.pop(key)


class Device:
    def __init__(self):
        self.waiter = Waiter()
        self.client = None

    def connect(self, c):
        address = urlparse(c["url"])
        v5 = c["version"] == 5
        options = {} if v5 else {"clean_session": c["clean"]}
        self.client = mqtt.Client(
            client_id=c["client"], protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311, transport="websockets", **options
        )
        if c.get("subprotocols"):
            raise NotImplementedError("this library cannot offer other subprotocols")
        path = address.path + ("?" + address.query if address.query else "")
        self.client.ws_set_options(path=path, headers=c.get("headers"))
        if c.get("ca"):
            self.client.tls_set(ca_certs=c["ca"], certfile=c.get("cert"), keyfile=c.get("key"))
        if c.get("will"):
            w = c["will"]
            self.client.will_set(w["topic"], bytes.fromhex(w["payload"]), w["qos"], w["retain"])
        self.client.on_connect = lambda _c, _u, flags, rc, _p=None: self.waiter.put("connect", (flags, rc))
        self.client.on_disconnect = lambda _c, _u, rc, _p=None: self.waiter.put("disconnect", rc)
        self.client.on_subscribe = lambda _c, _u, mid, _q, _p=None: self.waiter.put(mid, None)
        self.client.on_unsubscribe = lambda _c, _u, mid, _p=None, _r=None: self.waiter.put(mid, None)
        self.client.on_message = self.message
        more = {}
        if v5:
            more["clean_start"] = c["clean"]
            if c.get("expiry"):
                more["properties"] = Properties(PacketTypes.CONNECT)
                more["properties"].SessionExpiryInterval = c["expiry"]
        self.client.connect(address.hostname, address.port, keepalive=c["keepalive"], **more)
        self.client.loop_start()
        flags, rc = self.waiter.take("connect")
        if rc != 0:
            raise ConnectionError("CONNACK %s" % rc)
        return {"present": bool(flags["session present"])}

    @staticmethod
    def message(_client, _user, m):
        emit(event="message", topic=m.topic, payload=m.payload.hex(), qos=m.qos, retain=bool(m.retain))

    def subscribe(self, c):
        _, mid = self.client.subscribe(c["topic"], c["qos"])
        self.waiter.take(mid)

    def unsubscribe(self, c):
        _, mid = self.client.unsubscribe(c["topic"])
        self.waiter.take(mid)

    def publish(self, c):
        info = self.client.publish(c["topic"], bytes.fromhex(c.get("payload", "")), c["qos"], c["retain"])
        info.wait_for_publish(TIMEOUT)
        if not info.is_published():
            raise TimeoutError("not published")

    def disconnect(self, _c):
        self.client.disconnect()
        self.waiter.take("disconnect")
        self.client.loop_stop()


def main():
    emit(event="hello", library="paho-mqtt %s, Python %s" % (paho.mqtt.__version__, platform.python_version()))
    device = Device()
    for line in sys.stdin:
        command = json.loads(line)
        answer = {"event": "done", "id": command["id"]}
        try:
            answer.update(getattr(device, command["do"])(command) or {})
        except Exception as error:  # whatever it is, the test shall hear of it
            answer["error"] = repr(error)
        emit(**answer)


main()
