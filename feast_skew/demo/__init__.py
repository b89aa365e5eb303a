"""The demo's repository: real flights, a real server, and the change that goes wrong."""
