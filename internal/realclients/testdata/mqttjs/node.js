// The driver of MQTT.js on Node. Its argument is the directory with node_modules.
'use strict'

const fs = require('fs')
const path = require('path')
const readline = require('readline')
const modules = path.join(process.argv[2], 'node_modules')
const mqtt = require(path.join(modules, 'mqtt'))
const { version } = JSON.parse(fs.readFileSync(path.join(modules, 'mqtt', 'package.json')))

const emit = event => process.stdout.write(JSON.stringify(event) + '\n')
const WebSocket = require(path.join(modules, 'ws')) // the one that MQTT.js takes itself
const run = require('./device.js')(mqtt, emit, WebSocket, fs.readFileSync)

emit({ event: 'hello', library: `MQTT.js ${version}, Node ${process.version}` })
let last = Promise.resolve()
const lines = readline.createInterface({ input: process.stdin })
lines.on('line', line => { last = last.then(() => run(JSON.parse(line))) })
lines.on('close', () => process.exit(0))
