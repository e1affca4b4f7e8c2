-- When the script runs. It is asked once: all that a script changes happens at one moment.
local seconds, micros = unpack(redis.call('TIME'))
local now_us = seconds .. string.format('%06d', micros) -- text
local now_ms = seconds * 1000 + math.floor(micros / 1000)
