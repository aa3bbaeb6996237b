// One device on MQTT.js, in Node and in a page alike. Speaks the commands and events of ../../protocol.go.
'use strict'

// eslint-disable-next-line no-unused-vars
function mqttjsDevice (mqtt, emit, WebSocket, readFile) {
  let client

  const toHex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  const fromHex = hex => {
    const bytes = new Uint8Array(hex.length / 2)
    for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.substr(2 * i, 2), 16)
    return bytes
  }

  const commands = {
    connect: c => new Promise((resolve, reject) => {
      const options = {
        clientId: c.client,
        protocolVersion: c.version,
        clean: c.clean,
        keepalive: c.keepalive,
        reconnectPeriod: 0, // one try: what went wrong is the answer
        connectTimeout: 20000
      }
      if (c.ca && readFile) options.ca = readFile(c.ca)
      if (c.cert) {
        options.cert = readFile(c.cert)
        options.key = readFile(c.key)
      }
      if (c.headers) options.wsOptions = { headers: c.headers } // in Node: a page cannot
      if (c.subprotocols) {
        options.createWebsocket = (url, mqtts, opts) => new WebSocket(url, mqtts.concat(c.subprotocols), opts.wsOptions)
      }
      if (c.expiry) options.properties = { sessionExpiryInterval: c.expiry }
      if (c.will) {
        options.will = { topic: c.will.topic, payload: fromHex(c.will.payload), qos: c.will.qos, retain: c.will.retain }
      }
      client = mqtt.connect(c.url, options)
      client.on('message', (topic, payload, packet) => {
        emit({ event: 'message', topic, payload: toHex(payload), qos: packet.qos, retain: packet.retain })
      })
      client.on('connect', ack => resolve({ present: ack.sessionPresent }))
      client.on('error', reject)
      client.on('close', () => reject(new Error('the connection was closed')))
    }),
    subscribe: c => client.subscribeAsync(c.topic, { qos: c.qos }),
    unsubscribe: c => client.unsubscribeAsync(c.topic),
    publish: c => client.publishAsync(c.topic, fromHexForMqtt(c.payload), { qos: c.qos, retain: c.retain }),
    disconnect: () => client.endAsync()
  }

  // publish wants a Buffer in Node and takes a Uint8Array in a page, where there is no Buffer outside the bundle.
  const fromHexForMqtt = hex => typeof Buffer === 'undefined' ? fromHex(hex) : Buffer.from(hex, 'hex')

  return async command => {
    const answer = { event: 'done', id: command.id }
    try {
      const result = await commands[command.do](command)
      if (result && result.present) answer.present = true
    } catch (error) {
      answer.error = String(error.stack || error) || 'an error without words'
    }
    emit(answer)
  }
}

if (typeof module !== 'undefined') module.exports = mqttjsDevice
