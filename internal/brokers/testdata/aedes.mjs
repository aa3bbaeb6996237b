// An aedes broker: node aedes.mjs MODULES HOST PORT, with the folder that holds its node_modules.
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'

const [modules, host, port] = process.argv.slice(2)
const { Aedes } = await import(pathToFileURL(modules + '/node_modules/aedes/aedes.js').href)
const broker = await Aedes.createBroker()
broker.on('client', client => console.log('connected', client.id))
broker.on('clientDisconnect', client => console.log('gone', client.id))
broker.on('clientError', (client, error) => console.log('client error', client.id, error.message))
broker.on('connectionError', (client, error) => console.log('connection error', error.message))
createServer({ noDelay: true }, broker.handle).listen(Number(port), host)
